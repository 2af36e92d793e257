import type { Kysely } from "kysely";

/** Null in old rows: nobody knows whom they were for. */
export async function scheduleMembers(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("schedule_runs").addColumn("members", "text").execute();
}
