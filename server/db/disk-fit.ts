import type { Kysely } from "kysely";

/** What becomes of the disk after the restore. Null: nobody said so. */
export async function diskFit(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("deploys").addColumn("grow", "text").execute();
  await db.schema.alterTable("deploys").addColumn("ids", "text").execute();
}
