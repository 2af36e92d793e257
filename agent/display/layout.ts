import { formatDuration, formatSize } from "../disk/sizes.ts";
import { diskSentences } from "../journey.ts";
import { LETTER_ROWS, largeLetters } from "./letters.ts";
import { qrLines } from "./qr-code.ts";
import { printable, wrap } from "./text-lines.ts";
import type { Step, View } from "./view.ts";

/** A text console of a PC that has no other mode. On a larger one the rest stays empty. */
export const SCREEN = { columns: 80, rows: 25 } as const;

// The last column stays empty: a character there makes some consoles begin another line.
const WIDTH = SCREEN.columns - 1;
const STEPS_WIDTH = 26;
const RULE = "─".repeat(WIDTH);
/** The rows under the machine's name and facts: of the work, and of a failure. */
const BODY_ROWS = 13;
const FAILURE_ROWS = 14;
const MARKS: Readonly<Record<Step["mark"], string>> = { done: "√", now: "►", open: " " };

/**
 * The client's screen, 25 lines of at most 79 characters: ASCII and the few signs (√ ► █ ▀ ▄ ░ ─) that the font of every
 * text console has.
 *
 *     bootcast, server, the host's name in large letters, model, address, image
 *     the steps with ticks and times │ what was said last
 *     bar, percent, rate, time left, what goes on now
 */
export function screenLines(view: View, version: string): string[] {
  const head = [ends(`bootcast ${version}`, serverText(view)), "", ...nameLines(view), "", ...factLines(view)];
  const body = view.failure === undefined ? workLines(view) : failureRows(view, view.failure);
  return [...head, RULE, ...body].slice(0, SCREEN.rows).map((line) => line.slice(0, WIDTH).trimEnd());
}

function serverText({ facts }: View): string {
  return facts.server === undefined ? "looking for the server" : `server ${printable(facts.server)}`;
}

function nameLines({ facts }: View): string[] {
  const name = printable(facts.hostName ?? facts.mac ?? "");
  const large = largeLetters(name, WIDTH - 1);
  if (large !== undefined) return large.map((line) => ` ${line}`);
  return ["", "", ` ${name}`, ...Array.from({ length: LETTER_ROWS - 3 }, () => "")];
}

function factLines({ facts }: View): string[] {
  const network = [facts.mac, facts.address].filter((part) => part !== undefined).join("  ");
  const model = facts.model === undefined || facts.model === "" ? "this machine" : printable(facts.model);
  const shell = facts.remoteShell === undefined ? "" : `remote shell on: ${printable(facts.remoteShell)}`;
  const image = printable(facts.image ?? "").slice(0, WIDTH - shell.length - 3);
  return [ends(model.slice(0, WIDTH - network.length - 3), network), ends(image, shell)];
}

function workLines(view: View): string[] {
  const room = BODY_ROWS - 3;
  const said = view.said.flatMap((line) => wrap(line, WIDTH - STEPS_WIDTH - 2)).slice(-room);
  const rows = Array.from({ length: room }, (_, index) => {
    const step = view.steps[index];
    return `${(step === undefined ? "" : stepText(step)).padEnd(STEPS_WIDTH)}  ${said[index] ?? ""}`;
  });
  const [detail = ""] = wrap(view.detail, WIDTH - 1);
  return [...rows, RULE, barText(view), ` ${detail}`];
}

function stepText({ state, mark, spentMs }: Step): string {
  const spent = mark === "open" ? "" : formatDuration(spentMs);
  return ` ${MARKS[mark]} ${state.padEnd(12)}${spent.padStart(STEPS_WIDTH - 15)}`;
}

function barText({ percent, bytesPerSecond, leftMs }: View): string {
  if (percent === undefined) return "";
  const numbers = [
    `${Math.floor(percent)} %`.padStart(5),
    ...(bytesPerSecond === undefined ? [] : [`${formatSize(Math.round(bytesPerSecond))}/s`]),
    ...(leftMs === undefined ? [] : [`${formatDuration(leftMs)} left`]),
  ].join("   ");
  const room = WIDTH - 42;
  const full = Math.floor((percent / 100) * room);
  return ` ${"█".repeat(full)}${"░".repeat(room - full)} ${numbers}`;
}

/**
 * What, why and what to do; the disk's state; and as much of what was said last as there is room for. Beside it a code
 * that a telephone reads, unless the words need the room: error, host and order, for whoever asks somebody else.
 */
function failureRows(view: View, failure: NonNullable<View["failure"]>): string[] {
  const { facts } = view;
  const code = qrLines([failure.fault.code, facts.hostName, facts.order].filter(Boolean).join(" "));
  const beside = aboutLines(failure, WIDTH - (code[0]?.length ?? 0) - 1);
  if (beside.length > code.length - 3) return withSaid(view, aboutLines(failure, WIDTH), WIDTH);
  const width = WIDTH - (code[0]?.length ?? 0) - 1;
  const rows = withSaid(view, beside, width);
  return code.map((line, index) => (rows[index] ?? "").padEnd(width + 1) + line);
}

function aboutLines({ fault, disk }: NonNullable<View["failure"]>, width: number): string[] {
  const part = (name: string, text: string): string[] => {
    const front = ` ${name}:`.padEnd(9);
    return wrap(text, width - front.length).map((line, index) => (index === 0 ? front : " ".repeat(9)) + line);
  };
  const { what, why, fix, code } = fault;
  const before = part("FAILED", `${what} [${code}]`);
  const after = [...part("fix", fix), ...part("disk", diskSentences[disk])];
  // Where there is too much to say, what to do comes before why.
  const room = Math.max(1, FAILURE_ROWS - 2 - before.length - after.length);
  return [...before, ...part("why", why).slice(0, room), ...after].slice(0, FAILURE_ROWS - 2);
}

function withSaid(view: View, about: readonly string[], width: number): string[] {
  const said = view.said.flatMap((line) => wrap(line, width - 1)).slice(about.length + 1 - FAILURE_ROWS);
  return [...about, "─".repeat(width), ...said.map((line) => ` ${line}`)];
}

/** One text at each end of the line. */
function ends(left: string, right: string): string {
  return ` ${left}${right.padStart(WIDTH - 1 - left.length)}`;
}
