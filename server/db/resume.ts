import type { Kysely } from "kysely";

/** Null in old rows: the whole disk is read back, and nobody knows which disk was begun. */
export async function resume(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("deploys").addColumn("verify", "text").execute();
  await db.schema.alterTable("deploy_hosts").addColumn("begun_disk", "text").execute();
  await db.schema.alterTable("deploy_hosts").addColumn("is_erased", "integer").execute();
}
