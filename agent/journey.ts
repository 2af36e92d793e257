import assert from "node:assert/strict";
import type { FaultText } from "../fault.ts";
import type { AgentState, Report } from "./contract.ts";

/** What a person finds on the disk when the agent stops now. */
export type DiskState = "untouched" | "erased" | "partly written" | "complete";

/** Which state may follow which. `failed` may follow every one but the last. */
const next: Readonly<Record<AgentState, readonly AgentState[]>> = {
  booting: ["finding"],
  finding: ["registering"],
  // Back to finding when the server that was found does not answer.
  registering: ["waiting", "finding"],
  waiting: ["preflight", "rebooting", "registering", "finding"],
  // An order that is taken back before the erase ends in waiting, with the disk untouched.
  preflight: ["erasing", "capturing", "waiting"],
  // A capture only reads: whatever happens, the disk is untouched.
  capturing: ["finishing", "waiting"],
  erasing: ["receiving", "waiting"],
  receiving: ["verifying"],
  verifying: ["naming"],
  naming: ["finishing"],
  finishing: ["rebooting", "waiting"],
  rebooting: ["done"],
  done: [],
  failed: [],
};

/** In these nothing may change the disk. */
const keepsDisk: readonly AgentState[] = ["preflight", "waiting", "capturing"];

const REPORT_EVERY_MS = 1000;

/** The sentence about the disk that goes on the screen of a machine that failed. */
export const diskSentences: Readonly<Record<DiskState, string>> = {
  untouched: "The disk was not touched: it is as it was before.",
  erased: "The disk is erased and holds nothing that boots.",
  "partly written": "The disk is partly written and does not boot.",
  complete: "The disk holds the complete image.",
};

/**
 * Where the agent is on its way from power-on to the restored system: makes the
 * reports, refuses steps that the design does not have, and keeps the time
 * spent. No I/O; the time comes in as an argument.
 */
export class Journey {
  #state: AgentState = "booting";
  #enteredAtMs: number;
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #disk: DiskState = "untouched";
  readonly #spentMs = new Map<AgentState, number>();
  deployId: string | undefined;
  callsWhenUp = false;

  constructor(nowMs: number) {
    this.#enteredAtMs = nowMs;
  }

  get state(): AgentState {
    return this.#state;
  }

  get disk(): DiskState {
    return this.#disk;
  }

  /** The disk's state only goes forward, and only an erase that was entered may change it. */
  diskIs(disk: DiskState): void {
    assert(!keepsDisk.includes(this.#state), `the disk changed while ${this.#state}`);
    this.#disk = disk;
  }

  /** Enters the next state. A state that is entered again (waiting for another reason) only makes a new report. */
  enter(state: AgentState, detail: string, nowMs: number): Report {
    if (state !== this.#state) {
      assert(next[this.#state].includes(state), `no way from ${this.#state} to ${state}`);
      assert(state !== "waiting" || this.#disk === "untouched", "a changed disk cannot wait for orders");
      this.#leave(nowMs);
      this.#state = state;
    }
    return this.#report(detail, nowMs);
  }

  /** A report in between; undefined while the last one is younger than a second. */
  progress(percent: number | undefined, detail: string, nowMs: number): Report | undefined {
    if (nowMs - this.#reportedAtMs < REPORT_EVERY_MS) return undefined;
    const report = this.#report(detail, nowMs);
    return percent === undefined ? report : { ...report, percent: Math.min(100, Math.max(0, percent)) };
  }

  fail(fault: FaultText & { code: string }, nowMs: number): Report {
    this.#leave(nowMs);
    this.#state = "failed";
    const { code, what, why, fix } = fault;
    return { ...this.#report(`${what} ${diskSentences[this.#disk]}`, nowMs), fault: { code, what, why, fix } };
  }

  /** What is to be told of an agent that ended here and could not tell it itself. */
  suddenEnd(): Report {
    const what = `The agent ended without a word in the state "${this.#state}".`;
    return {
      state: "failed",
      detail: `${what} ${diskSentences[this.#disk]}`,
      ...(this.deployId === undefined ? {} : { deployId: this.deployId }),
      fault: {
        code: "AGENT_ENDED",
        what,
        why: "The kernel killed it, as a rule because memory was short, or it has a defect. Its last lines are on the machine's screen.",
        fix: "Order it again. If it repeats, give the machine more memory or test it, and report this as a defect of bootcast.",
      },
    };
  }

  done(detail: string, nowMs: number): Report {
    return { ...this.enter("done", detail, nowMs), timings: this.timings() };
  }

  /** Milliseconds spent in each state that was left, whole numbers. */
  timings(): Record<string, number> {
    return Object.fromEntries([...this.#spentMs].map(([state, ms]) => [state, Math.round(ms)]));
  }

  #leave(nowMs: number): void {
    const spent = this.#spentMs.get(this.#state) ?? 0;
    this.#spentMs.set(this.#state, spent + Math.max(0, nowMs - this.#enteredAtMs));
    this.#enteredAtMs = nowMs;
  }

  #report(detail: string, nowMs: number): Report {
    this.#reportedAtMs = nowMs;
    const calls = this.callsWhenUp && (this.#state === "rebooting" || this.#state === "done");
    const report: Report = { state: this.#state, detail, ...(calls ? { callsWhenUp: true } : {}) };
    return this.deployId === undefined ? report : { ...report, deployId: this.deployId };
  }
}
