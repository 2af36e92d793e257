import type { FaultText } from "../../fault.ts";
import type { AgentState } from "../contract.ts";
import { type DiskState, diskSentences } from "../journey.ts";
import type { StepProgress } from "../step-progress.ts";
import { printable, wrap } from "./text-lines.ts";
import type { MachineFacts } from "./view.ts";

/** What a serial console of the old kind shows on one line. */
const COLUMNS = 80;
const STATE_COLUMNS = 12;

/** What a person at the machine is told: by lines (below), and on a screen (display/). */
export type AgentConsole = {
  /** What has become known of this machine. */
  about(facts: Partial<MachineFacts>): void;
  state(state: AgentState, detail: string): void;
  /** Text that brings its own line breaks: the progress line. */
  raw(text: string): void;
  /** How far the step is; several times a second. */
  progress(progress: StepProgress): void;
  failed(fault: FaultText & { code: string }, disk: DiskState): void;
};

/**
 * Whole lines, no escape codes, so that a serial console and a photograph of it can be read.
 *
 * @param write where the text goes, stdout on the machine
 * @param uptimeSeconds the kernel's uptime, so that lines fit to its own messages
 */
export function agentConsole(write: (text: string) => void, uptimeSeconds: () => number): AgentConsole {
  // A progress line may still be open when something else must be said.
  let isLineOpen = false;
  const lines = (text: readonly string[]) => {
    write(`${isLineOpen ? "\n" : ""}${text.join("\n")}\n`);
    isLineOpen = false;
  };
  return {
    // The lines say it anyway.
    about: () => undefined,
    progress: () => undefined,
    state: (state, detail) => lines(stateLines(uptimeSeconds(), state, detail)),
    raw: (text) => {
      if (text === "") return;
      const clean = printable(text, "\n");
      write(clean);
      isLineOpen = !clean.endsWith("\n");
    },
    failed: (fault, disk) => lines(failureLines(fault, disk)),
  };
}

/** "[  42 s] preflight   /dev/vda 1.0 GiB virtio": long details go on below, under the first word. */
export function stateLines(uptimeSeconds: number, state: AgentState, detail: string): string[] {
  const front = `[${String(Math.floor(uptimeSeconds)).padStart(4)} s] ${state.padEnd(STATE_COLUMNS)}`;
  const [first = "", ...rest] = wrap(detail, COLUMNS - front.length);
  return [`${front}${first}`.trimEnd(), ...rest.map((line) => " ".repeat(front.length) + line)];
}

/** A failure as the screen shows it: what, why and what to do, and the state of the disk. */
export function failureLines(fault: FaultText & { code: string }, disk: DiskState): string[] {
  const rule = "-".repeat(COLUMNS - 1);
  const part = (name: string, text: string) => {
    const front = `${name}:`.padEnd(8);
    return wrap(text, COLUMNS - front.length).map((line, index) => (index === 0 ? front : " ".repeat(8)) + line);
  };
  return [
    rule,
    ...part("FAILED", `${fault.what} [${fault.code}]`),
    ...part("why", fault.why),
    ...part("fix", fault.fix),
    ...part("disk", diskSentences[disk]),
    rule,
  ];
}
