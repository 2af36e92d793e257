import type { AgentState, Report } from "../../agent/contract.ts";
import type { EventLog } from "../events.ts";

/** So long a host's progress may be only here: percent, detail, and when it was heard. Nothing else depends on it. */
const UNWRITTEN_MS = 10_000;

/** In these states a host may say many times how far it is; before and after them each word counts. */
const movingStates: readonly AgentState[] = ["capturing", "receiving", "verifying", "naming", "finishing"];

type Progress = {
  readonly deployId: number;
  readonly state: AgentState;
  /** When the tables were changed, and told that its order goes on; null: they are to be asked again. */
  writtenMs: number | null;
  detail: string;
  percent: number | null;
  seenMs: number;
};

/** What a host said of itself last, where the table has an older word about the same state. */
export type Newest = Pick<Progress, "detail" | "percent" | "seenMs">;

/**
 * How far hosts are, in memory: a room that receives says so every second, and only how far it is has changed. Each of
 * them is written down all the same every ten seconds, when its order is looked at again; whatever happens to a host or
 * its session meanwhile makes its next word go to the tables at once.
 */
export class HostProgress {
  readonly #hosts = new Map<string, Progress>();

  constructor(events: Pick<EventLog, "subscribe">) {
    events.subscribe(({ kind, hostId, deployId }, isOurs) => {
      // What a host itself reported is `written` here, or at another server.
      if (isOurs && (kind === "host.state" || kind === "host.script")) return;
      if (kind === "host.forgotten" && hostId !== null) this.forget(hostId);
      else if (hostId !== null) this.#ask(this.#hosts.get(hostId));
      else if (deployId !== null) {
        for (const one of this.#hosts.values()) if (one.deployId === deployId) this.#ask(one);
      }
    });
  }

  /** @returns true: it says only how far the host is, and that its order went on a moment ago is still so */
  take(hostId: string, deployId: number, report: Report, nowMs: number): boolean {
    const known = this.#hosts.get(hostId);
    if (known === undefined || known.writtenMs === null) return false;
    const { state, detail, percent = null, challenge, fault, script } = report;
    if (known.state !== state || known.deployId !== deployId) return false;
    if (challenge !== undefined || fault !== undefined || script !== undefined) return false;
    const sinceMs = nowMs - known.writtenMs;
    // A clock that was set back says nothing.
    if (sinceMs < 0 || sinceMs >= UNWRITTEN_MS) return false;
    Object.assign(known, { detail, percent, seenMs: nowMs });
    return true;
  }

  /** The tables have this report, and its order goes on. To be called in the change that writes it. */
  written(hostId: string, deployId: number, report: Report, nowMs: number): void {
    const { state, detail, percent = null } = report;
    if (!movingStates.includes(state)) this.forget(hostId);
    else this.#hosts.set(hostId, { deployId, state, writtenMs: nowMs, detail, percent, seenMs: nowMs });
  }

  forget(hostId: string): void {
    this.#hosts.delete(hostId);
  }

  /** Undefined: the table has its newest word. */
  newest(hostId: string, state: string, seenMs: number): Newest | undefined {
    const known = this.#hosts.get(hostId);
    return known !== undefined && known.state === state && known.seenMs > seenMs ? known : undefined;
  }

  #ask(known: Progress | undefined): void {
    if (known !== undefined) known.writtenMs = null;
  }
}
