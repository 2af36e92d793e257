import type { Kysely } from "kysely";

/** What people say of hosts. Those that are known already are approved; none is locked. */
export async function hostDesk(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable("hosts")
    .addColumn("is_approved", "integer", (column) => column.notNull().defaultTo(1))
    .execute();
  await db.schema.alterTable("hosts").addColumn("note", "text").execute();
  await db.schema.alterTable("hosts").addColumn("locked_at_ms", "bigint").execute();
  await db.schema.alterTable("hosts").addColumn("lock_reason", "text").execute();
  await db.schema.alterTable("hosts").addColumn("lock_by", "text").execute();
  await db.schema.alterTable("hosts").addColumn("lock_until_ms", "bigint").execute();
  await db.schema
    .createTable("host_labels")
    .addColumn("host_id", "text", (column) => column.notNull().references("hosts.id").onDelete("cascade"))
    .addColumn("label", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("host_labels_key", ["host_id", "label"])
    .execute();
}
