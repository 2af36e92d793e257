import type { Kysely } from "kysely";

/** The end of what each host's agent wrote down, with its last word: one a host. */
export async function hostLogs(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("host_logs")
    .addColumn("host_id", "text", (column) => column.primaryKey().references("hosts.id").onDelete("cascade"))
    .addColumn("at_ms", "bigint", (column) => column.notNull())
    .addColumn("deploy_id", "integer")
    .addColumn("log", "text", (column) => column.notNull())
    .execute();
}
