import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import { actingAs } from "../access/actor.ts";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import type { DeployRequest } from "../orders/deploy-plan.ts";
import { type Decision, decide, ON_TIME_MS } from "./decide.ts";
import { changesSince, meantNow } from "./members.ts";
import { closeWindow, countHosts, endRun, leftOutOf, noteOrdered, resultOf } from "./run-steps.ts";
import { isForNow, runOf, type Schedule, type ScheduleRun, scheduleOf } from "./schedule.ts";

type SchedulerOptions = {
  readonly db: Database;
  readonly events: EventLog;
  /** Gives the order, as for a person. */
  readonly order: (request: DeployRequest) => Promise<unknown>;
  /** The hosts that words select: who they are now. */
  readonly select: (words: readonly string[]) => Promise<readonly { readonly id: string; readonly name: string }[]>;
  /** Which of these run a system of their own. */
  readonly inUse: (hostIds: readonly string[], signal: AbortSignal) => Promise<ReadonlySet<string>>;
  /** Ends the streams of an order that nobody receives any more. */
  readonly closeIdle: (deployId: number) => Promise<void>;
  readonly log: Logger;
  readonly now: () => number;
};

const LOOK_EVERY_MS = 5_000;
/** What became of a time is kept for so long. */
const KEPT_MS = 400 * 86_400_000;

/**
 * Carries out schedules when their time comes. Each step is written down with what it did in one transaction, so a
 * server that is killed anywhere goes on where it was: a time is decided on once, and its order is given once.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #stopping = new AbortController();
  #looking: Promise<void> | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  /** Looks at the clock for ever. @returns what ends it; it resolves when nothing is under way any more */
  watch(): () => Promise<void> {
    const look = () => this.look();
    const timer = setInterval(look, LOOK_EVERY_MS);
    timer.unref();
    void look();
    return async () => {
      clearInterval(timer);
      this.#stopping.abort();
      await this.#looking;
    };
  }

  /** Does what is due now; never twice at the same time. What fails is logged, and tried again the next time. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { db } = this.#options;
    const rows = await db.selectFrom("schedules").selectAll().orderBy("name").execute();
    for (const schedule of rows.map(scheduleOf)) {
      if (!schedule.isPaused) await this.#try(schedule.name, () => this.#decide(schedule));
    }
    const runs = await db
      .selectFrom("schedule_runs")
      .selectAll()
      .where("state", "in", ["opening", "running"])
      .orderBy("due_at_ms")
      .execute();
    for (const row of runs) {
      const schedule = rows.find(({ name }) => name === row.schedule);
      if (schedule === undefined) continue;
      const isClosed = row.is_closed === 1;
      await this.#try(row.schedule, () => this.#goOn(scheduleOf(schedule), { ...runOf(row), isClosed }));
    }
  }

  async #try(schedule: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#options.log.error({ err: error, schedule }, "a schedule could not be carried out");
    }
  }

  /** Writes down what becomes of the times that have come. */
  async #decide(schedule: Schedule): Promise<void> {
    const { db, events, now } = this.#options;
    const { name } = schedule;
    const open = await db
      .selectFrom("schedule_runs")
      .select("due_at_ms")
      .where("schedule", "=", name)
      .where("state", "in", ["opening", "running"])
      .executeTakeFirst();
    const { handledUntilMs, missed } = schedule;
    const verdict = decide({ timing: schedule, handledUntilMs, missed, isRunning: open !== undefined }, now());
    if (verdict === undefined) return;
    await events.change(async ({ tables, nowMs, record }) => {
      const { numUpdatedRows } = await tables
        .updateTable("schedules")
        .set({ handled_until_ms: verdict.handledUntilMs })
        .where("name", "=", name)
        .where("handled_until_ms", "=", handledUntilMs)
        .where("is_paused", "=", 0)
        .executeTakeFirst();
      // Another server was faster, or a person paused it.
      if (numUpdatedRows !== 1n) return;
      for (const decision of verdict.decisions) {
        await tables
          .insertInto("schedule_runs")
          .values(rowOf(name, decision, nowMs))
          .execute();
        await record(eventOf(name, decision));
      }
      await tables
        .deleteFrom("schedule_runs")
        .where("schedule", "=", name)
        .where("due_at_ms", "<", nowMs - KEPT_MS)
        .execute();
    });
  }

  async #goOn(schedule: Schedule, run: ScheduleRun & { isClosed: boolean }): Promise<void> {
    if (run.state === "opening") {
      await this.#order(schedule, run);
      return;
    }
    const { db, events, now } = this.#options;
    const { deployId } = run;
    if (deployId === null) return;
    const deploy = await db.selectFrom("deploys").select("state").where("id", "=", deployId).executeTakeFirst();
    if (deploy?.state !== "active") {
      const counts = await countHosts(db, deployId);
      const leftOut = await leftOutOf(db, run, deployId);
      const changes = await changesSince(db, run);
      await endRun(events, run, resultOf(counts, { isStopped: deploy?.state === "cancelled", leftOut, changes }));
      return;
    }
    if (!run.isClosed && now() >= run.endsAtMs) {
      await events.change((change) => closeWindow(change, run, deployId));
      await this.#options.closeIdle(deployId);
    }
  }

  /** Nobody looks at the disks now: what holds something unexpected is left alone. */
  async #order(schedule: Schedule, run: ScheduleRun): Promise<void> {
    const { events, order, now } = this.#options;
    const { name } = schedule;
    if (now() >= run.endsAtMs) {
      await endRun(events, run, { state: "failed", why: "The order could not be given before its window was over." });
      return;
    }
    if (schedule.isPaused) {
      await endRun(events, run, { state: "skipped", why: "It was paused before its order was given." });
      return;
    }
    if (schedule.missed === "skip" && now() - run.openedAtMs > ON_TIME_MS) {
      await endRun(events, run, { state: "failed", why: "The server was not running when its order was to be given." });
      return;
    }
    const actor = `schedule ${name}`;
    try {
      const request = await this.#requestOf(schedule, run);
      await actingAs({ name: actor, inChange: (tables) => noteOrdered(tables, run, actor) }, () =>
        order({ ...request, wake: schedule.isWaking, confirmed: [] }),
      );
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const state = isForNow(error) ? "skipped" : "failed";
      await endRun(events, run, { state, why: `${error.what} ${error.why}`, fault: error });
    }
  }

  /**
   * What is ordered now: whom its words mean tonight, without those in use.
   *
   * @throws {Fault} HOSTS_SKIPPED when all are in use, and as `select` when its words mean nobody
   */
  async #requestOf({ request, skipsUsed }: Schedule, run: ScheduleRun): Promise<DeployRequest> {
    const { events, select, inUse } = this.#options;
    if (request.to === "any") return request;
    const { words, hosts, leftOut } = await meantNow(request.to, select);
    const ids = hosts.map(({ id }) => id);
    const used = skipsUsed ? await inUse(ids, this.#stopping.signal) : new Set<string>();
    const names = hosts.filter(({ id }) => used.has(id)).map((host) => host.name);
    const all = [...leftOut, ...names.map((name) => ({ name, why: IN_USE }))];
    const members = hosts.map(({ id, name }) => ({ id, name }));
    await events.change(({ tables }) =>
      tables
        .updateTable("schedule_runs")
        .set({ left_out: JSON.stringify(all), members: JSON.stringify(members) })
        .where("schedule", "=", run.schedule)
        .where("due_at_ms", "=", run.dueAtMs)
        .execute(),
    );
    if (all.length === 0) return request;
    if (names.length === hosts.length) throw allInUse(names);
    const to = names.length === 0 ? [...words] : ids.filter((id) => !used.has(id));
    return { ...request, to, target: request.target ?? request.to.join(", ").slice(0, MOST_TARGET_LETTERS) };
  }
}

const IN_USE = "its own system runs";
const MOST_TARGET_LETTERS = 200;

function allInUse(names: readonly string[]): Fault {
  return new Fault("HOSTS_SKIPPED", {
    what: "No host is left that this order could be given to.",
    why: `They run systems of their own: ${names.join(", ")}.`,
    fix: "Let them be switched off before, or make the schedule without --skip-used.",
  });
}

function rowOf(schedule: string, decision: Decision, nowMs: number) {
  const { dueAtMs, endsAtMs } = decision.occurrence;
  const isRun = decision.kind === "run";
  return {
    schedule,
    due_at_ms: dueAtMs,
    opened_at_ms: nowMs,
    ends_at_ms: endsAtMs,
    state: isRun ? "opening" : decision.kind,
    deploy_id: null,
    left_out: "[]",
    is_closed: 0,
    why: isRun ? "" : decision.why,
    ended_at_ms: isRun ? null : nowMs,
  };
}

function eventOf(schedule: string, decision: Decision) {
  const { dueAtMs, endsAtMs } = decision.occurrence;
  if (decision.kind !== "run") {
    const { kind, why, count } = decision;
    return { kind: `schedule.${kind}`, data: { schedule, dueAtMs, why, count } };
  }
  const { lateMs } = decision;
  return { kind: "schedule.started", data: { schedule, dueAtMs, endsAtMs, ...(lateMs > 0 && { lateMs }) } };
}
