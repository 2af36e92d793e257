import type { Kysely } from "kysely";

/** Changes that were sent with an idempotency key, and what was answered. */
export async function repeats(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("repeats")
    .addColumn("key", "text", (column) => column.notNull())
    .addColumn("actor", "text", (column) => column.notNull())
    .addColumn("fingerprint", "text", (column) => column.notNull())
    .addColumn("at_ms", "bigint", (column) => column.notNull())
    .addColumn("status", "integer")
    .addColumn("body", "text")
    .addColumn("is_changed", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("repeats_key", ["actor", "key"])
    .execute();
}
