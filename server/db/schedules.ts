import type { Kysely } from "kysely";

/** What is ordered again and again, and who is told of what. */
export async function schedules(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("schedules")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("cron", "text", (column) => column.notNull())
    .addColumn("time_zone", "text", (column) => column.notNull())
    .addColumn("window_ms", "bigint", (column) => column.notNull())
    .addColumn("wakes", "integer", (column) => column.notNull())
    .addColumn("wake_before_ms", "bigint", (column) => column.notNull())
    .addColumn("quiet_hours", "text", (column) => column.notNull())
    .addColumn("missed", "text", (column) => column.notNull())
    .addColumn("skips_used", "integer", (column) => column.notNull())
    .addColumn("request", "text", (column) => column.notNull())
    .addColumn("is_paused", "integer", (column) => column.notNull())
    .addColumn("handled_until_ms", "bigint", (column) => column.notNull())
    .addColumn("made_by", "text", (column) => column.notNull())
    .addColumn("created_at_ms", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("schedule_runs")
    .addColumn("schedule", "text", (column) => column.notNull().references("schedules.name").onDelete("cascade"))
    .addColumn("due_at_ms", "bigint", (column) => column.notNull())
    .addColumn("opened_at_ms", "bigint", (column) => column.notNull())
    .addColumn("ends_at_ms", "bigint", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("deploy_id", "integer")
    .addColumn("left_out", "text", (column) => column.notNull())
    .addColumn("is_closed", "integer", (column) => column.notNull())
    .addColumn("why", "text", (column) => column.notNull())
    .addColumn("ended_at_ms", "bigint")
    .addPrimaryKeyConstraint("schedule_runs_key", ["schedule", "due_at_ms"])
    .execute();
  await db.schema
    .createTable("notify_targets")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("address", "text", (column) => column.notNull())
    .addColumn("secret", "text", (column) => column.notNull())
    .addColumn("topics", "text", (column) => column.notNull())
    .addColumn("is_paused", "integer", (column) => column.notNull())
    .addColumn("failures", "integer", (column) => column.notNull())
    .addColumn("next_try_ms", "bigint", (column) => column.notNull())
    .addColumn("dropped", "integer", (column) => column.notNull())
    .addColumn("told_at_ms", "bigint")
    .addColumn("fault", "text")
    .addColumn("made_by", "text", (column) => column.notNull())
    .addColumn("created_at_ms", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("notify_queue")
    .addColumn("target", "text", (column) => column.notNull())
    .addColumn("event_id", "integer", (column) => column.notNull())
    .addColumn("topic", "text", (column) => column.notNull())
    .addColumn("at_ms", "bigint", (column) => column.notNull())
    .addColumn("refusals", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("notify_queue_key", ["target", "event_id"])
    .execute();
}
