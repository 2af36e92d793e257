import type { Selectable } from "kysely";
import type { Fault } from "../../fault.ts";
import type { ScheduleRunTable, ScheduleTable } from "../db/schema.ts";
import type { DeployRequest } from "../orders/deploy-plan.ts";
import type { Timing } from "./occurrences.ts";

/** An order that is given again and again. */
export type Schedule = Timing & {
  readonly name: string;
  /** Whether hosts that are off are woken. */
  readonly isWaking: boolean;
  /** What becomes of a time that came while the server was down. */
  readonly missed: "run" | "skip";
  /** Whether hosts are left alone whose own system runs: somebody may be at work there. */
  readonly skipsUsed: boolean;
  readonly request: DeployRequest;
  readonly isPaused: boolean;
  readonly madeBy: string;
  readonly createdAtMs: number;
  /** Times up to here have been decided on. */
  readonly handledUntilMs: number;
};

/** How it stands with one of its times. "opening": the order is about to be given. */
export const runStates = ["opening", "running", "done", "failed", "stopped", "skipped", "missed"] as const;
export type RunState = (typeof runStates)[number];

export type LeftOut = { readonly name: string; readonly why: string };

/** One time that came. */
export type ScheduleRun = {
  readonly schedule: string;
  readonly dueAtMs: number;
  readonly openedAtMs: number;
  readonly endsAtMs: number;
  readonly state: RunState;
  /** Null: nothing was ordered. */
  readonly deployId: number | null;
  /** Hosts that were in use, and words of it that meant nobody. */
  readonly leftOut: readonly LeftOut[];
  /** How it went, one sentence; empty while it goes on. */
  readonly why: string;
  readonly endedAtMs: number | null;
};

/** Whether an order cannot be given now because its hosts are locked, not approved, or busy: another day it can. */
export function isForNow({ code }: Pick<Fault, "code">): boolean {
  return ["HOST_BUSY", "HOST_LOCKED", "HOST_UNAPPROVED", "HOSTS_SKIPPED"].includes(code);
}

export function scheduleOf(row: Selectable<ScheduleTable>): Schedule {
  return {
    name: row.name,
    cron: row.cron,
    timeZone: row.time_zone,
    windowMs: row.window_ms,
    wakeBeforeMs: row.wake_before_ms,
    quietHours: JSON.parse(row.quiet_hours) as string[],
    isWaking: row.wakes === 1,
    missed: row.missed as Schedule["missed"],
    skipsUsed: row.skips_used === 1,
    request: JSON.parse(row.request) as DeployRequest,
    isPaused: row.is_paused === 1,
    madeBy: row.made_by,
    createdAtMs: row.created_at_ms,
    handledUntilMs: row.handled_until_ms,
  };
}

export function runOf(row: Selectable<ScheduleRunTable>): ScheduleRun {
  return {
    schedule: row.schedule,
    dueAtMs: row.due_at_ms,
    openedAtMs: row.opened_at_ms,
    endsAtMs: row.ends_at_ms,
    state: row.state as RunState,
    deployId: row.deploy_id,
    leftOut: JSON.parse(row.left_out) as LeftOut[],
    why: row.why,
    endedAtMs: row.ended_at_ms,
  };
}
