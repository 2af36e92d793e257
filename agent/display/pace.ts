/** Long enough that a pause of the stream does not make the time left jump, short enough to follow a change. */
const WINDOW_MS = 15_000;
/** Two looks that are nearer than this say nothing about the pace. */
const LEAST_MS = 2_000;

type Sample = { readonly atMs: number; readonly percent: number; readonly doneBytes: number | undefined };

/** How fast a step gets on: from what it told in the last seconds. No clock of its own. */
export class Pace {
  #samples: Sample[] = [];

  /** @param doneBytes absent where the step counts no bytes */
  add(atMs: number, percent: number, doneBytes: number | undefined): void {
    const last = this.#samples.at(-1);
    // Another step began, or the same one from its beginning.
    if (last !== undefined && (percent < last.percent || (doneBytes ?? 0) < (last.doneBytes ?? 0))) this.#samples = [];
    this.#samples.push({ atMs, percent, doneBytes });
    // One sample older than the window stays, so that a window is always full.
    while ((this.#samples[1]?.atMs ?? Number.POSITIVE_INFINITY) < atMs - WINDOW_MS) this.#samples.shift();
  }

  clear(): void {
    this.#samples = [];
  }

  get percent(): number | undefined {
    return this.#samples.at(-1)?.percent;
  }

  /** Undefined while too little is known. */
  bytesPerSecond(nowMs: number): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first?.doneBytes === undefined || last?.doneBytes === undefined) return undefined;
    const spentMs = nowMs - first.atMs;
    return spentMs < LEAST_MS ? undefined : ((last.doneBytes - first.doneBytes) / spentMs) * 1000;
  }

  /** Undefined while too little is known, or nothing gets on. */
  leftMs(nowMs: number): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    const spentMs = nowMs - first.atMs;
    const gained = last.percent - first.percent;
    return spentMs < LEAST_MS || gained <= 0 ? undefined : ((100 - last.percent) / gained) * spentMs;
  }
}
