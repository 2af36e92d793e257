import type { Kysely } from "kysely";

/** Who may do what, and who did it. */
export async function access(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("users")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("role", "text", (column) => column.notNull())
    .addColumn("password_hash", "text")
    .addColumn("link_hash", "text", (column) => column.unique())
    .addColumn("created_at_ms", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("logins")
    .addColumn("hash", "text", (column) => column.primaryKey())
    .addColumn("user_name", "text", (column) => column.notNull().references("users.name").onDelete("cascade"))
    .addColumn("created_at_ms", "bigint", (column) => column.notNull())
    .addColumn("used_at_ms", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("tokens")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("hash", "text", (column) => column.notNull().unique())
    .addColumn("role", "text", (column) => column.notNull())
    .addColumn("made_by", "text", (column) => column.notNull())
    .addColumn("created_at_ms", "bigint", (column) => column.notNull())
    .addColumn("expires_at_ms", "bigint")
    .addColumn("used_at_ms", "bigint")
    .execute();
  // Null: the server itself, or a host.
  await db.schema.alterTable("events").addColumn("actor", "text").execute();
  await db.schema.createIndex("events_of_actors").on("events").columns(["actor", "id"]).execute();
}
