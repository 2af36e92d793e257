import type { Kysely } from "kysely";

// Several servers on one PostgreSQL database: who they are, and whose a stream is (null: nobody sends it).
export async function servers(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("servers")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("incarnation", "text", (column) => column.notNull())
    .addColumn("beat", "integer", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("version", "text", (column) => column.notNull())
    .addColumn("pid", "integer", (column) => column.notNull())
    .addColumn("site_key", "text", (column) => column.notNull())
    .addColumn("addresses", "text", (column) => column.notNull())
    .addColumn("is_leading", "integer", (column) => column.notNull())
    .addColumn("has_ended", "integer", (column) => column.notNull())
    .addColumn("started_at_ms", "bigint", (column) => column.notNull())
    .addColumn("seen_at_ms", "bigint", (column) => column.notNull())
    .execute();
  await db.schema.alterTable("deploy_streams").addColumn("server_id", "text").execute();
  await db.schema.alterTable("deploy_streams").addColumn("network", "text").execute();
  await db.schema.alterTable("deploy_streams").addColumn("traits", "text").execute();
}
