import { Fault } from "../../fault.ts";
import { nearest } from "../config/nearest.ts";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import type { DeployPlan, DeployRequest } from "../orders/deploy-plan.ts";
import { meantNow } from "./members.ts";
import { checkTiming, dueTimes, type Occurrence, occurrenceAt, type Timing } from "./occurrences.ts";
import { closeWindow } from "./run-steps.ts";
import { isForNow, type LeftOut, runOf, type Schedule, type ScheduleRun, scheduleOf } from "./schedule.ts";

/** What a person gives. */
export type NewSchedule = Timing & Pick<Schedule, "name" | "isWaking" | "missed" | "skipsUsed" | "request" | "madeBy">;

type SchedulesOptions = {
  readonly db: Database;
  readonly events: EventLog;
  /** What an order would do now. */
  readonly plan: (request: DeployRequest) => Promise<DeployPlan>;
  /** Ends the streams of an order that nobody receives any more. */
  readonly closeIdle: (deployId: number) => Promise<void>;
  readonly now: () => number;
};

const MOST_SCHEDULES = 200;
const LEAST_WINDOW_MS = 5 * 60_000;
const MOST_WINDOW_MS = 7 * 86_400_000;
const MOST_WAKE_BEFORE_MS = 2 * 3_600_000;
const MOST_QUIET_HOURS = 20;

/** The schedules that people made. What they do when their time comes is in scheduler.ts. */
export class Schedules {
  readonly #options: SchedulesOptions;

  constructor(options: SchedulesOptions) {
    this.#options = options;
  }

  /** By name. */
  async list(): Promise<Schedule[]> {
    const rows = await this.#options.db.selectFrom("schedules").selectAll().orderBy("name").execute();
    return rows.map(scheduleOf);
  }

  /** @throws {Fault} SCHEDULE_UNKNOWN */
  async find(name: string): Promise<Schedule> {
    const all = await this.list();
    const found = all.find((schedule) => schedule.name === name);
    if (found !== undefined) return found;
    const suggestion = nearest(
      name,
      all.map((schedule) => schedule.name),
    );
    throw new Fault("SCHEDULE_UNKNOWN", {
      what: `There is no schedule "${name}".`,
      why: all.length === 0 ? "None was made yet." : "None has this name.",
      fix: `${suggestion === undefined ? "" : `Maybe "${suggestion}" was meant. `}"bootcast schedule list" shows all.`,
    });
  }

  /**
   * Whether this schedule could be made, and what it would do if its time was now. An order that only now is not
   * possible, because its hosts are busy or locked, refuses nothing.
   *
   * @returns undefined: all its hosts are busy or locked
   * @throws {Fault} SCHEDULE_INVALID, and what an order is refused for
   */
  async plan(wanted: NewSchedule): Promise<DeployPlan | undefined> {
    check(wanted, this.#options.now());
    try {
      return await this.#options.plan(wanted.request);
    } catch (error) {
      if (error instanceof Fault && isForNow(error)) return undefined;
      throw error;
    }
  }

  /** Why the order of a schedule cannot be given, whatever the hour, and which of its words mean nobody any more. */
  async outlookOf({ request }: Schedule): Promise<{ fault?: Fault; leftOut: readonly LeftOut[] }> {
    const { plan } = this.#options;
    const select = async (to: readonly string[]) => {
      try {
        // One word alone need not be enough for the waves of all of them.
        await plan(to === request.to ? request : { ...request, to, waves: undefined });
      } catch (error) {
        if (!(error instanceof Fault) || !isForNow(error)) throw error;
      }
      return [];
    };
    try {
      const words = request.to === "any" ? [] : request.to;
      return { leftOut: (await meantNow(words, select)).leftOut };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { fault: error, leftOut: [] };
    }
  }

  /** @throws {Fault} SCHEDULE_EXISTS, SCHEDULE_INVALID, and what an order is refused for */
  async add(wanted: NewSchedule): Promise<Schedule> {
    await this.plan(wanted);
    const { name, request } = wanted;
    return this.#options.events.change(async ({ tables, nowMs, record }) => {
      const names = (await tables.selectFrom("schedules").select("name").execute()).map((row) => row.name);
      if (names.includes(name)) throw exists(name);
      if (names.length >= MOST_SCHEDULES) {
        throw invalid(`There are ${MOST_SCHEDULES} schedules already.`, "Remove some first.");
      }
      const row = {
        name,
        cron: wanted.cron.trim().replaceAll(/\s+/g, " "),
        time_zone: wanted.timeZone,
        window_ms: wanted.windowMs,
        wakes: wanted.isWaking ? 1 : 0,
        wake_before_ms: wanted.wakeBeforeMs,
        quiet_hours: JSON.stringify(wanted.quietHours),
        missed: wanted.missed,
        skips_used: wanted.skipsUsed ? 1 : 0,
        request: JSON.stringify(request),
        is_paused: 0,
        handled_until_ms: nowMs,
        made_by: wanted.madeBy,
        created_at_ms: nowMs,
      };
      await tables.insertInto("schedules").values(row).execute();
      const schedule = scheduleOf(row);
      const { cron, timeZone } = schedule;
      await record({ kind: "schedule.added", data: { schedule: name, cron, timeZone, image: request.image } });
      return schedule;
    });
  }

  /** Times that come while it is paused are not made up for. @throws {Fault} SCHEDULE_UNKNOWN */
  async pause(name: string, isPaused: boolean): Promise<Schedule> {
    const before = await this.find(name);
    if (before.isPaused === isPaused) return before;
    await this.#options.events.change(async ({ tables, nowMs, record }) => {
      await tables
        .updateTable("schedules")
        .set({ handled_until_ms: nowMs })
        .where("name", "=", name)
        // One that is ordered before its time, to wake its hosts, is decided on already.
        .where("handled_until_ms", "<", nowMs)
        .execute();
      await tables
        .updateTable("schedules")
        .set({ is_paused: isPaused ? 1 : 0 })
        .where("name", "=", name)
        .execute();
      await record({ kind: isPaused ? "schedule.paused" : "schedule.resumed", data: { schedule: name } });
    });
    return this.find(name);
  }

  /** What it has ordered goes on, without the hosts that have not begun. @throws {Fault} SCHEDULE_UNKNOWN */
  async remove(name: string): Promise<Schedule> {
    const schedule = await this.find(name);
    // In one transaction: no window is ever closed of an order whose schedule is gone.
    const deployIds = await this.#options.events.change(async (change) => {
      const { tables, record } = change;
      // Not the newest one alone: behind one that goes on for long there are others that were skipped for it.
      const running = await tables
        .selectFrom("schedule_runs")
        .select(["due_at_ms", "deploy_id"])
        .where("schedule", "=", name)
        .where("state", "=", "running")
        .execute();
      const closed: number[] = [];
      for (const { due_at_ms, deploy_id } of running) {
        if (deploy_id === null) continue;
        await closeWindow(change, { schedule: name, dueAtMs: due_at_ms }, deploy_id);
        closed.push(deploy_id);
      }
      await tables.deleteFrom("schedules").where("name", "=", name).execute();
      await record({ kind: "schedule.removed", data: { schedule: name } });
      return closed;
    });
    for (const deployId of deployIds) await this.#options.closeIdle(deployId);
    return schedule;
  }

  /** Its next times; none while it is paused. */
  next(schedule: Schedule, count: number): Occurrence[] {
    if (schedule.isPaused) return [];
    return dueTimes(schedule, schedule.handledUntilMs, count).map((due) => occurrenceAt(schedule, due));
  }

  /** The next times of one that is not made yet. @throws {Fault} SCHEDULE_INVALID */
  nextOf(timing: Timing, count: number): Occurrence[] {
    return dueTimes(timing, this.#options.now(), count).map((due) => occurrenceAt(timing, due));
  }

  /** What became of its times, the newest first; `before` is the time of one that only older ones are wanted of. */
  async runs(
    name: string,
    { limit, before }: { readonly limit: number; readonly before?: number | undefined },
  ): Promise<ScheduleRun[]> {
    let query = this.#options.db
      .selectFrom("schedule_runs")
      .selectAll()
      .where("schedule", "=", name)
      .orderBy("due_at_ms", "desc")
      .limit(limit);
    if (before !== undefined) query = query.where("due_at_ms", "<", before);
    return (await query.execute()).map(runOf);
  }
}

/** @throws {Fault} SCHEDULE_INVALID */
function check(wanted: NewSchedule, nowMs: number): void {
  const { name, windowMs, wakeBeforeMs, request } = wanted;
  if (!/^[a-z0-9][a-z0-9_-]{0,62}$/i.test(name)) {
    throw invalid(`"${name.slice(0, 70)}" cannot be its name.`, "A name has letters, digits, hyphens and underscores.");
  }
  if (windowMs < LEAST_WINDOW_MS || windowMs > MOST_WINDOW_MS) {
    throw invalid("Its window is too short or too long.", "A window has from 5 minutes to 7 days.");
  }
  if (wakeBeforeMs < 0 || wakeBeforeMs > MOST_WAKE_BEFORE_MS) {
    throw invalid("It would wake hosts too early.", "Wake them up to 2 hours before.");
  }
  if (wanted.quietHours.length > MOST_QUIET_HOURS) throw invalid("It has too many quiet hours.", "Give up to 20.");
  if ([request.startAtMs, request.retryOf, request.wake].some((own) => own !== undefined)) {
    throw invalid("Its order says when, whose or how by itself.", "Leave startAtMs, retryOf and wake to the schedule.");
  }
  if (request.to === "any") {
    throw invalid(
      "It is for any host that appears.",
      "Name hosts, groups or labels: what nobody has seen is not erased by a clock.",
    );
  }
  checkTiming(wanted, nowMs);
}

function exists(name: string): Fault {
  return new Fault("SCHEDULE_EXISTS", {
    what: `There is a schedule "${name}" already.`,
    why: "Each has a name of its own.",
    fix: `Take another name, or remove that one first: bootcast schedule remove ${name}`,
  });
}

function invalid(why: string, fix: string): Fault {
  return new Fault("SCHEDULE_INVALID", { what: "This schedule cannot be made.", why, fix });
}
