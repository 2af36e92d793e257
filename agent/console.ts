import type { FaultText } from "../fault.ts";
import type { AgentState } from "./contract.ts";
import { type DiskState, diskSentences } from "./journey.ts";

/** What a serial console of the old kind shows on one line. */
const COLUMNS = 80;
const STATE_COLUMNS = 12;

/** The client's screen: whole lines, no escape codes, so that a serial console and a photograph of it can be read. */
export type AgentConsole = {
  state(state: AgentState, detail: string): void;
  /** Text that brings its own line breaks: the progress line. */
  raw(text: string): void;
  failed(fault: FaultText & { code: string }, disk: DiskState): void;
};

/**
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

/** Breaks at spaces; a word that is longer than a line is cut. */
function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of printable(text).split(" ").filter(Boolean)) {
    for (let at = 0; at < word.length; at += columns) {
      const piece = word.slice(at, at + columns);
      if (line !== "" && line.length + 1 + piece.length <= columns) line += ` ${piece}`;
      else {
        if (line !== "") lines.push(line);
        line = piece;
      }
    }
  }
  return line === "" ? lines : [...lines, line];
}

/** Text from the network or a disk must not steer the terminal; a serial console knows ASCII only. */
function printable(text: string, alsoAllowed = ""): string {
  return text
    .replaceAll(/[–—]/g, "-")
    .replaceAll("…", "...")
    .replaceAll(/[^\x20-\x7e]/gu, (character) => {
      if (alsoAllowed.includes(character)) return character;
      return /\s/.test(character) ? " " : "?";
    });
}
