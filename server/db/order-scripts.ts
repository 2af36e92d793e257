import type { Kysely } from "kysely";

/** Which scripts a host was told with its order. Null: none, or it was told before. */
export async function orderScripts(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("deploy_hosts").addColumn("scripts_digest", "text").execute();
}
