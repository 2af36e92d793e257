import type { ScanProgress } from "../../images/scan.ts";
import { formatDuration, formatSize } from "../disk/sizes.ts";
import type { StepProgress } from "../step-progress.ts";

/** The rate is that of so long: what the store has already goes much faster than what it lacks. */
const WINDOW_MS = 15_000;

/** How far a capture is, for screen and server: percent, rate, time left. */
export class CaptureProgress {
  readonly #usedBytes: number;
  #samples: { readonly atMs: number; readonly doneBytes: number }[];

  /** @param usedBytes how much of the disk is to be read */
  constructor(usedBytes: number, nowMs: number) {
    this.#usedBytes = usedBytes;
    this.#samples = [{ atMs: nowMs, doneBytes: 0 }];
  }

  step(progress: Pick<ScanProgress, "doneBytes" | "unusedBytes">, sentBytes: number, nowMs: number): StepProgress {
    const doneBytes = Math.min(this.#usedBytes, progress.doneBytes - progress.unusedBytes);
    this.#samples.push({ atMs: nowMs, doneBytes });
    // One that is older than the window stays, so that it is covered.
    while (this.#samples.length > 2 && this.#samples[1]!.atMs < nowMs - WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0]!;
    const bytesPerMs = (doneBytes - first.doneBytes) / Math.max(1, nowMs - first.atMs);
    const left = bytesPerMs > 0 ? `, ${formatDuration((this.#usedBytes - doneBytes) / bytesPerMs)} left` : "";
    const rate = `${formatSize(Math.round(bytesPerMs * 1000))}/s`;
    return {
      percent: this.#usedBytes === 0 ? 100 : (doneBytes / this.#usedBytes) * 100,
      detail: `${formatSize(doneBytes)} of ${formatSize(this.#usedBytes)}, ${rate}${left}; ${formatSize(sentBytes)} sent`,
    };
  }
}
