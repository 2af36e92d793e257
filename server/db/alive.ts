import type { Kysely } from "kysely";

/** What comes after a restore, and the systems that are to say that they are up. Null: as before, and none. */
export async function alive(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("deploys").addColumn("afterwards", "text").execute();
  await db.schema.alterTable("deploys").addColumn("alive", "integer").execute();
  await db.schema.alterTable("deploy_hosts").addColumn("alive_hash", "text").execute();
  await db.schema.alterTable("deploy_hosts").addColumn("alive_name", "text").execute();
  await db.schema.alterTable("deploy_hosts").addColumn("alive_until_ms", "integer").execute();
  await db.schema.alterTable("deploy_hosts").addColumn("alive_heard", "text").execute();
}
