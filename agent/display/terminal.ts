import { closeSync, constants, openSync, writeSync } from "node:fs";
import type { AgentConsole } from "./console.ts";
import { SCREEN, screenLines } from "./layout.ts";
import { type MachineFacts, ScreenState } from "./view.ts";

/** Times and rates go on while nothing is said. */
const SHOW_EVERY_MS = 500;
/** Everything is painted anew: a message of the kernel may have moved it away. */
const REPAINT_EVERY_MS = 5_000;

/** The screen for a person at the machine, until it is closed. */
export type Display = AgentConsole & { close(): void };

/**
 * Shows the state of the agent on a text console, one picture that changes in place.
 *
 * @param path of the console, "/dev/tty1"
 * @returns undefined when it cannot be opened: then the lines are all there is
 */
export function openDisplay(
  path: string,
  options: {
    readonly version: string;
    readonly facts: Partial<MachineFacts>;
    uptimeSeconds(): number;
    nowMs(): number;
  },
): Display | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  const write = (text: string) => {
    try {
      writeSync(file, text);
    } catch {
      // Somebody pressed Scroll Lock: the restore goes on, and the picture is painted anew in a moment.
    }
  };
  return displayOn(write, { ...options, close: () => closeSync(file) });
}

/** The same on anything that takes text with escape sequences. */
export function displayOn(
  write: (text: string) => void,
  options: Parameters<typeof openDisplay>[1] & { close(): void },
): Display {
  const { version, uptimeSeconds, nowMs } = options;
  const state = new ScreenState(nowMs());
  state.about(options.facts);
  let shown: string[] = [];
  let shownAtMs = Number.NEGATIVE_INFINITY;
  let paintedAtMs = Number.NEGATIVE_INFINITY;
  const show = () => {
    const now = nowMs();
    const lines = screenLines(state.view(now), version);
    const isAnew = now - paintedAtMs >= REPAINT_EVERY_MS;
    const text = paint(isAnew ? undefined : shown, lines);
    if (isAnew) paintedAtMs = now;
    shown = lines;
    shownAtMs = now;
    if (text !== "") write(text);
  };
  const timer = setInterval(show, SHOW_EVERY_MS);
  timer.unref();
  show();
  return {
    about(facts) {
      state.about(facts);
      show();
    },
    state(name, detail) {
      state.say(name, detail, uptimeSeconds(), nowMs());
      show();
    },
    // The bar says it.
    raw: () => undefined,
    progress({ percent, detail, doneBytes }) {
      state.progress(percent, detail, doneBytes, nowMs());
      if (nowMs() - shownAtMs >= SHOW_EVERY_MS) show();
    },
    failed(fault, disk) {
      state.failed(fault, disk);
      show();
    },
    close() {
      clearInterval(timer);
      show();
      options.close();
    },
  };
}

/** What changes the screen from `before` to `after`; all of it when nothing is known of what is there. */
export function paint(before: readonly string[] | undefined, after: readonly string[]): string {
  let text = "";
  for (let row = 0; row < SCREEN.rows; row += 1) {
    const line = after[row] ?? "";
    if (before === undefined || line !== (before[row] ?? "")) text += `\x1b[${row + 1};1H${line}\x1b[K`;
  }
  // The cursor would blink in the middle of it. What a larger screen has below is old.
  if (before === undefined) return `\x1b[?25l\x1b[0m${text}\x1b[J`;
  return text;
}
