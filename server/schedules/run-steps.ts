import type { Transaction } from "kysely";
import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { Tables } from "../db/schema.ts";
import type { Change, EventLog } from "../events.ts";
import { endOrder } from "../orders/reports.ts";
import { changesText, type MemberChanges } from "./members.ts";
import type { LeftOut, RunState, ScheduleRun } from "./schedule.ts";

type RunKey = Pick<ScheduleRun, "schedule" | "dueAtMs">;

/** How many hosts of an order stand how. */
export type HostCounts = Readonly<Record<"pending" | "running" | "done" | "failed" | "cancelled", number>>;

/** How a run ended. */
export type RunResult = {
  readonly state: RunState;
  readonly why: string;
  readonly counts?: HostCounts;
  readonly fault?: Fault;
};

/**
 * In the transaction that gives the order: the run has it, or there is none.
 *
 * @throws {Fault} SCHEDULE_ENDED, which undoes the order: somebody removed or paused the schedule, or another server was
 *   faster
 */
export async function noteOrdered(tables: Transaction<Tables>, run: ScheduleRun, actor: string): Promise<void> {
  const created = await tables
    .selectFrom("events")
    .select("deploy_id")
    .where("actor", "=", actor)
    .where("kind", "=", "deploy.created")
    .where("at_ms", ">=", run.openedAtMs)
    .orderBy("id", "desc")
    .executeTakeFirst();
  if (created?.deploy_id == null) return;
  const { numUpdatedRows } = await tables
    .updateTable("schedule_runs")
    .set({ state: "running", deploy_id: created.deploy_id })
    .where("schedule", "=", run.schedule)
    .where("due_at_ms", "=", run.dueAtMs)
    .where((where) => {
      const stands = where
        .selectFrom("schedules")
        .select("name")
        .where("name", "=", run.schedule)
        .where("is_paused", "=", 0);
      return where.or([
        where.and([where("state", "=", "opening"), where.exists(stands)]),
        where("deploy_id", "=", created.deploy_id),
      ]);
    })
    .executeTakeFirst();
  if (numUpdatedRows === 1n) return;
  throw new Fault("SCHEDULE_ENDED", {
    what: `The order of the schedule ${run.schedule} was not given.`,
    why: "The schedule was removed or paused at this moment, or the order was given already.",
    fix: '"bootcast schedule list" shows what there is.',
  });
}

/**
 * The window is over: whose disk nobody has begun to erase is left alone, the others go on. A host that got as far as its
 * preflight and was switched off then would begin whenever somebody switches it on.
 */
export async function closeWindow(change: Change, run: RunKey, deployId: number): Promise<void> {
  const { tables, nowMs } = change;
  const late = await tables
    .updateTable("deploy_hosts")
    .set({ state: "cancelled", ended_at_ms: nowMs })
    .where("deploy_id", "=", deployId)
    .where("state", "in", ["pending", "running"])
    .where("attempts", "=", 0)
    .returning("host_id")
    .execute();
  for (const { host_id } of late) await endOrder(change, host_id, deployId, "cancelled");
  await tables
    .updateTable("schedule_runs")
    .set({ is_closed: 1 })
    .where("schedule", "=", run.schedule)
    .where("due_at_ms", "=", run.dueAtMs)
    .execute();
  const data = { schedule: run.schedule, leftAlone: late.length };
  await change.record({ kind: "schedule.window-over", deployId, data });
}

export async function countHosts(db: Pick<Database, "selectFrom">, deployId: number): Promise<HostCounts> {
  const rows = await db.selectFrom("deploy_hosts").select("state").where("deploy_id", "=", deployId).execute();
  const counts = { pending: 0, running: 0, done: 0, failed: 0, cancelled: 0 };
  for (const { state } of rows) counts[state as keyof HostCounts] += 1;
  return counts;
}

/** Hosts that were left alone from the beginning: those in use, and those that the order's first event tells of. */
export async function leftOutOf(
  db: Pick<Database, "selectFrom">,
  { leftOut }: ScheduleRun,
  deployId: number,
): Promise<LeftOut[]> {
  const created = await db
    .selectFrom("events")
    .select("data")
    .where("deploy_id", "=", deployId)
    .where("kind", "=", "deploy.created")
    .executeTakeFirst();
  const skipped = created === undefined ? [] : (JSON.parse(created.data) as { skipped?: LeftOut[] }).skipped;
  return [...leftOut, ...(skipped ?? [])];
}

/** How a run went whose order is over. */
export function resultOf(
  counts: HostCounts,
  {
    isStopped,
    leftOut,
    changes,
  }: {
    readonly isStopped: boolean;
    readonly leftOut: readonly LeftOut[];
    readonly changes?: MemberChanges | undefined;
  },
): RunResult {
  const parts = [
    `${counts.done} done`,
    ...(counts.failed > 0 ? [`${counts.failed} failed`] : []),
    ...(counts.cancelled > 0 ? [`${counts.cancelled} ${isStopped ? "stopped" : "did not come in time"}`] : []),
  ];
  const others = leftOut.map(({ name, why }) => `${name} was left alone: ${why}.`);
  const why = [`${parts.join(", ")}.`, ...others, ...changesText(changes)].join(" ");
  if (isStopped) return { state: "stopped", why, counts };
  return { state: counts.failed > 0 || counts.done === 0 ? "failed" : "done", why, counts };
}

/** Once, whoever comes first. */
export async function endRun(events: EventLog, run: ScheduleRun, result: RunResult): Promise<void> {
  const { state, why, counts, fault } = result;
  await events.change(async ({ tables, nowMs, record }) => {
    const { numUpdatedRows } = await tables
      .updateTable("schedule_runs")
      .set({ state, why, ended_at_ms: nowMs })
      .where("schedule", "=", run.schedule)
      .where("due_at_ms", "=", run.dueAtMs)
      .where("state", "=", run.state)
      .executeTakeFirst();
    if (numUpdatedRows !== 1n) return;
    const { schedule, dueAtMs, deployId } = run;
    const data = { schedule, dueAtMs, state, why, ...counts, ...(fault && { fault: fault.toJSON() }) };
    const kind = state === "skipped" ? "schedule.skipped" : "schedule.ended";
    await record({ kind, deployId: deployId ?? undefined, data });
  });
}
