import { formatDuration, formatSize } from "../../agent/disk/sizes.ts";
import { outputOptions } from "./output.ts";

/** Shows how far long work is: bytes done, rate, time left. */
export interface ProgressLine {
  update(doneBytes: number, totalBytes: number): void;
  /** Takes the line away before other text is printed. */
  end(): void;
}

const TERMINAL_EVERY_MS = 200;
const PIPE_EVERY_MS = 5000;

/**
 * On a terminal one line that is rewritten, in a pipe a line every five
 * seconds, nothing with --quiet or --json. Always on stderr.
 *
 * @param verb "importing", "reading", …
 * @param now the time in milliseconds, monotonic
 */
export function progressLine(verb: string, now: () => number = () => performance.now()): ProgressLine {
  const { quiet, json } = outputOptions();
  if (quiet || json) return { update: () => {}, end: () => {} };
  const isTerminal = process.stderr.isTTY === true;
  const start = now();
  let shownAt = start;
  let isShown = false;
  return {
    update(doneBytes, totalBytes) {
      const at = now();
      if (at - shownAt < (isTerminal ? TERMINAL_EVERY_MS : PIPE_EVERY_MS)) return;
      shownAt = at;
      const text = progressText(verb, doneBytes, totalBytes, at - start);
      process.stderr.write(isTerminal ? `\r${text}\x1b[K` : `${text}\n`);
      isShown = isTerminal;
    },
    end() {
      if (isShown) process.stderr.write("\r\x1b[K");
      isShown = false;
    },
  };
}

/** "importing   45 %  1.2 GiB of 2.7 GiB, 230.0 MiB/s, 6 s left" */
export function progressText(verb: string, doneBytes: number, totalBytes: number, elapsedMs: number): string {
  const percent = totalBytes === 0 ? 100 : Math.floor((doneBytes / totalBytes) * 100);
  const bytesPerMs = doneBytes / Math.max(elapsedMs, 1);
  const left = bytesPerMs === 0 ? "" : `, ${formatDuration((totalBytes - doneBytes) / bytesPerMs)} left`;
  const rate = `${formatSize(Math.round(bytesPerMs * 1000))}/s`;
  return `${verb} ${String(percent).padStart(3)} %  ${formatSize(doneBytes)} of ${formatSize(totalBytes)}, ${rate}${left}`;
}
