import type { FaultText } from "../../fault.ts";
import type { AgentState } from "../contract.ts";
import type { DiskState } from "../journey.ts";
import { Pace } from "./pace.ts";

/** What is known of this machine by now. Nothing of it is there from the beginning. */
export type MachineFacts = {
  /** As the server calls it, and later as the order does. */
  readonly hostName: string;
  /** "Dell Inc. OptiPlex 7060". */
  readonly model: string;
  readonly mac: string;
  readonly address: string;
  /** "10.0.1.2:8440" */
  readonly server: string;
  /** "lab-debian version 3" */
  readonly image: string;
  /** Its id, by which the server's people find what happened. */
  readonly order: string;
  /** Set while somebody may log in from outside: how. */
  readonly remoteShell: string;
};

export type Step = { readonly state: AgentState; readonly mark: "done" | "now" | "open"; readonly spentMs: number };

/** Everything that the layout needs. */
export type View = {
  readonly facts: Partial<MachineFacts>;
  readonly steps: readonly Step[];
  /** The newest last, at most `MOST_SAID`. */
  readonly said: readonly string[];
  /** What goes on now: the newest sentence. */
  readonly detail: string;
  /** 0 to 100; absent while the step has no measure. */
  readonly percent?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
  readonly leftMs?: number | undefined;
  readonly failure?: { readonly fault: FaultText & { code: string }; readonly disk: DiskState } | undefined;
};

const MOST_SAID = 40;

const common = ["finding", "registering", "waiting", "preflight"] as const;
const deploySteps = [...common, "erasing", "receiving", "verifying", "naming", "finishing", "rebooting"] as const;
const captureSteps = [...common, "capturing", "finishing", "rebooting"] as const;

/** What the screen knows: fed with what the agent says, asked for a view a few times a second. No I/O, no clock. */
export class ScreenState {
  #facts: Partial<MachineFacts> = {};
  #steps: readonly AgentState[] = deploySteps;
  #state: AgentState = "booting";
  #enteredAtMs: number;
  readonly #spentMs = new Map<AgentState, number>();
  #said: string[] = [];
  #detail = "";
  readonly #pace = new Pace();
  #failure: View["failure"];

  constructor(nowMs: number) {
    this.#enteredAtMs = nowMs;
  }

  about(facts: Partial<MachineFacts>): void {
    this.#facts = { ...this.#facts, ...facts };
  }

  /** @param uptimeSeconds shown before the line, so that it fits to the kernel's own messages */
  say(state: AgentState, detail: string, uptimeSeconds: number, nowMs: number): void {
    if (state !== this.#state && state !== "failed") this.#enter(state, nowMs);
    if (detail === "" || detail === this.#detail) return;
    this.#detail = detail;
    this.#said.push(`${Math.floor(uptimeSeconds)} s ${detail}`);
    if (this.#said.length > MOST_SAID) this.#said.shift();
  }

  progress(percent: number | undefined, detail: string, doneBytes: number | undefined, nowMs: number): void {
    this.#detail = detail;
    if (percent !== undefined) this.#pace.add(nowMs, Math.min(100, Math.max(0, percent)), doneBytes);
  }

  failed(fault: FaultText & { code: string }, disk: DiskState): void {
    this.#failure = { fault, disk };
  }

  view(nowMs: number): View {
    const place = this.#steps.indexOf(this.#state);
    return {
      facts: this.#facts,
      steps: this.#steps.map((state, index) => {
        const mark = state === this.#state ? "now" : index < place || this.#state === "done" ? "done" : "open";
        const since = mark === "now" ? nowMs - this.#enteredAtMs : 0;
        return { state, mark, spentMs: mark === "open" ? 0 : (this.#spentMs.get(state) ?? 0) + since };
      }),
      said: this.#said,
      detail: this.#detail,
      percent: this.#pace.percent,
      bytesPerSecond: this.#pace.bytesPerSecond(nowMs),
      leftMs: this.#pace.leftMs(nowMs),
      failure: this.#failure,
    };
  }

  #enter(state: AgentState, nowMs: number): void {
    this.#spentMs.set(this.#state, (this.#spentMs.get(this.#state) ?? 0) + nowMs - this.#enteredAtMs);
    this.#state = state;
    this.#enteredAtMs = nowMs;
    this.#pace.clear();
    if (state === "capturing") this.#steps = captureSteps;
    else if (state === "erasing") this.#steps = deploySteps;
  }
}
