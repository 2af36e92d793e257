import { createHash } from "node:crypto";
import { type Kysely, sql } from "kysely";

/** Any tables: what is moved is what is there, whoever added it. */
export type AnyTables = Kysely<Record<string, Row>>;
export type Row = Readonly<Record<string, string | number | null>>;

export type TableShape = {
  readonly name: string;
  /** In the order of their names. */
  readonly columns: readonly string[];
  /** The column that is counted up; rows are read in its order. Undefined: the table is small. */
  readonly counted: string | undefined;
};

/** What a table holds: equal in two databases when all rows are. */
export type TableContent = { readonly rows: number; readonly digest: string };

const PAGE_ROWS = 500;

/** Every table except those in which migrations are noted, by name. */
export async function tableShapes(db: AnyTables): Promise<TableShape[]> {
  const found = await db.introspection.getTables();
  return found
    .filter(({ name }) => !name.startsWith("kysely_"))
    .map(({ name, columns }) => ({
      name,
      columns: columns.map((column) => column.name).toSorted(),
      counted: columns.find(({ isAutoIncrementing }) => isAutoIncrementing)?.name,
    }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/** All rows, page by page. */
export async function* pagesOf(db: AnyTables, { name, counted }: TableShape): AsyncGenerator<Row[]> {
  if (counted === undefined) {
    yield (await db.selectFrom(name).selectAll().execute()).map(storable);
    return;
  }
  for (let after = 0; ; ) {
    const rows = await db
      .selectFrom(name)
      .selectAll()
      .where(counted, ">", after)
      .orderBy(counted)
      .limit(PAGE_ROWS)
      .execute();
    if (rows.length === 0) return;
    yield rows.map(storable);
    after = rows.at(-1)![counted] as number;
  }
}

/** PostgreSQL's text cannot hold the character NUL, as server/db/postgres.ts says. */
function storable(row: Row): Row {
  const entries = Object.entries(row).map(([key, value]) => [
    key,
    typeof value === "string" ? value.replaceAll("\0", "\ufffd") : value,
  ]);
  return Object.fromEntries(entries);
}

/** Computes what a table holds from its pages. */
export class ContentSum {
  readonly #shape: TableShape;
  readonly #hash = createHash("sha256");
  #lines: string[] = [];
  #rows = 0;

  constructor(shape: TableShape) {
    this.#shape = shape;
  }

  add(rows: readonly Row[]): void {
    this.#rows += rows.length;
    const lines = rows.map((row) => JSON.stringify(this.#shape.columns.map((column) => row[column])));
    // Those with a counter come in its order; the order of others is the database's own.
    if (this.#shape.counted === undefined) this.#lines.push(...lines);
    else for (const line of lines) this.#hash.update(line);
  }

  end(): TableContent {
    for (const line of this.#lines.sort()) this.#hash.update(line);
    this.#lines = [];
    return { rows: this.#rows, digest: this.#hash.digest("hex") };
  }
}

export async function contentOf(db: AnyTables, shape: TableShape): Promise<TableContent> {
  const sum = new ContentSum(shape);
  for await (const rows of pagesOf(db, shape)) sum.add(rows);
  return sum.end();
}

/** Parents before those that refer to them. PostgreSQL only. */
export async function inOrderOfReferences(db: AnyTables, shapes: readonly TableShape[]): Promise<TableShape[]> {
  const { rows } = await sql<{ child: string; parent: string }>`
    select child.relname as child, parent.relname as parent
    from pg_constraint
    join pg_class child on child.oid = conrelid
    join pg_class parent on parent.oid = confrelid
    where contype = 'f' and connamespace = current_schema()::regnamespace`.execute(db);
  const ordered: TableShape[] = [];
  const add = (shape: TableShape): void => {
    if (ordered.includes(shape)) return;
    for (const { child, parent } of rows) {
      const other = shapes.find(({ name }) => name === parent);
      if (child === shape.name && other !== undefined && other !== shape) add(other);
    }
    ordered.push(shape);
  };
  for (const shape of shapes) add(shape);
  return ordered;
}

/** The highest number that a counted column ever had: numbers are not used twice. */
export async function lastNumber(db: AnyTables, { name, counted }: TableShape, isSqlite: boolean): Promise<number> {
  if (counted === undefined) return 0;
  if (isSqlite) {
    const { rows } = await sql<{ seq: number }>`select seq from sqlite_sequence where name = ${name}`.execute(db);
    return rows[0]?.seq ?? 0;
  }
  const { rows } = await sql<{ last: number | null }>`
    select pg_sequence_last_value(pg_get_serial_sequence(${name}, ${counted})::regclass) as last`.execute(db);
  return rows[0]?.last ?? 0;
}

/** Lets a counted column go on behind `last`. */
export async function setLastNumber(db: AnyTables, shape: TableShape, last: number, isSqlite: boolean): Promise<void> {
  const { name, counted } = shape;
  if (counted === undefined || last === 0) return;
  if (!isSqlite) {
    await sql`select setval(pg_get_serial_sequence(${name}, ${counted})::regclass, ${last})`.execute(db);
    return;
  }
  await sql`delete from sqlite_sequence where name = ${name}`.execute(db);
  await sql`insert into sqlite_sequence (name, seq) values (${name}, ${last})`.execute(db);
}
