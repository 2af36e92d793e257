import type { AgentState, Report } from "../../agent/contract.ts";
import type { Database } from "../db/database.ts";

/** A host entered a state while it was at work for a session. */
export type StateStep = {
  readonly atMs: number;
  readonly state: AgentState;
  /** What of its disk was right before, where it said so. */
  readonly kept: NonNullable<Report["kept"]> | null;
};

/** The steps of a session's hosts, each host's in their order. */
export type StepsOfHosts = ReadonlyMap<string, readonly StateStep[]>;

type Known = { lastId: number; count: number; readonly ofHosts: Map<string, StateStep[]> };

/** Of all sessions together; about 100 bytes each. */
const MOST_STEPS = 200_000;

/**
 * In which states hosts were, from the events. Nobody changes or removes those of sessions, so each is read once: what
 * is asked every two seconds costs what came since.
 */
export class StateSteps {
  readonly #db: Database;
  readonly #mostSteps: number;
  /** By session; the one that was asked for last is the last. */
  readonly #known = new Map<number, Known>();

  constructor(db: Database, mostSteps = MOST_STEPS) {
    this.#db = db;
    this.#mostSteps = mostSteps;
  }

  async of(deployId: number): Promise<StepsOfHosts> {
    const known = this.#known.get(deployId) ?? { lastId: 0, count: 0, ofHosts: new Map<string, StateStep[]>() };
    const rows = await this.#db
      .selectFrom("events")
      .select(["id", "at_ms", "host_id", "data"])
      .where("deploy_id", "=", deployId)
      .where("kind", "=", "host.state")
      .where("id", ">", known.lastId)
      .orderBy("id")
      .execute();
    for (const { id, at_ms, host_id, data } of rows) {
      // Another question may have read it in the meantime.
      if (id <= known.lastId) continue;
      known.lastId = id;
      if (host_id === null) continue;
      const { state, kept = null } = JSON.parse(data) as { state: AgentState; kept?: StateStep["kept"] };
      const steps = known.ofHosts.get(host_id) ?? [];
      steps.push({ atMs: at_ms, state, kept });
      known.ofHosts.set(host_id, steps);
      known.count += 1;
    }
    this.#keep(deployId, known);
    return known.ofHosts;
  }

  #keep(deployId: number, known: Known): void {
    this.#known.delete(deployId);
    this.#known.set(deployId, known);
    let count = [...this.#known.values()].reduce((sum, one) => sum + one.count, 0);
    for (const [oldest, one] of this.#known) {
      if (count <= this.#mostSteps) return;
      this.#known.delete(oldest);
      count -= one.count;
    }
  }
}
