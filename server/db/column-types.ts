import {
  type ColumnDefinitionNode,
  DataTypeNode,
  type KyselyPlugin,
  type OperationNode,
  OperationNodeTransformer,
  type QueryId,
  RawNode,
} from "kysely";

/**
 * What SQLite's types are called in PostgreSQL, for migrations. SQLite's integer has 64 bits and its real is a double.
 * Text is compared byte by byte in both, so lists have one order wherever they are kept.
 */
const postgresTypes: Readonly<Record<string, OperationNode>> = {
  integer: DataTypeNode.create("bigint"),
  real: DataTypeNode.create("double precision"),
  text: RawNode.createWithSql('text collate "C"'),
};

class PostgresTypes extends OperationNodeTransformer {
  protected override transformColumnDefinition(node: ColumnDefinitionNode, id: QueryId): ColumnDefinitionNode {
    const plain = super.transformColumnDefinition(node, id);
    if (plain.autoIncrement === true)
      return { ...plain, autoIncrement: false, dataType: DataTypeNode.create("bigserial") };
    const { dataType } = plain;
    const named = DataTypeNode.is(dataType) ? postgresTypes[dataType.dataType] : undefined;
    return named === undefined ? plain : { ...plain, dataType: named };
  }
}

/** Lets the migrations, which are written for SQLite, make the same columns in PostgreSQL. */
export const postgresColumns: KyselyPlugin = {
  transformQuery: ({ node, queryId }) => new PostgresTypes().transformNode(node, queryId),
  transformResult: async ({ result }) => result,
};
