import { type Kysely, sql } from "kysely";

/**
 * Orders that begin later, go in waves, or are for some of those that appear. Old ones have begun, for all their hosts.
 */
export async function rollouts(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("deploys").addColumn("start_at_ms", "bigint").execute();
  await db.schema.alterTable("deploys").addColumn("begun_at_ms", "bigint").execute();
  await db.schema.alterTable("deploys").addColumn("halted_at_ms", "bigint").execute();
  await db.schema.alterTable("deploys").addColumn("halt_fault", "text").execute();
  await db.schema.alterTable("deploys").addColumn("batch", "integer").execute();
  await db.schema.alterTable("deploys").addColumn("most_failed", "integer").execute();
  await db.schema.alterTable("deploys").addColumn("failed_accepted", "integer").execute();
  await db.schema.alterTable("deploys").addColumn("any_limits", "text").execute();
  await db.schema.alterTable("deploys").addColumn("target", "text").execute();
  await db.schema.alterTable("deploys").addColumn("retry_of", "integer").execute();
  await db.schema.alterTable("deploys").addColumn("wakes", "integer").execute();
  await db.schema.alterTable("deploy_hosts").addColumn("wave", "integer").execute();
  await db.schema.alterTable("deploy_hosts").addColumn("released_at_ms", "bigint").execute();
  await db.schema.alterTable("deploy_hosts").addColumn("woken_at_ms", "bigint").execute();
  await db.schema.alterTable("hosts").addColumn("address", "text").execute();
  await sql`update deploys set begun_at_ms = created_at_ms`.execute(db);
  await sql`update deploy_hosts set released_at_ms = (select created_at_ms from deploys where deploys.id = deploy_hosts.deploy_id)`.execute(
    db,
  );
}
