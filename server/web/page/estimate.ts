/** How far something was at some moment. */
export type Sample = { readonly atMs: number; readonly percent: number };

/** What is older says nothing of the rate now. */
const WINDOW_MS = 30_000;
/** Below this two samples are too near to tell a rate. */
const LEAST_MS = 3000;

/**
 * Follows one percentage: how fast it grows, and when it will be 100. Going back, or another state, begins anew.
 */
export class Estimate {
  #label = "";
  #samples: Sample[] = [];

  /** @param label what the percentage is of; another one begins anew */
  add(label: string, sample: Sample): void {
    const last = this.#samples.at(-1);
    if (label !== this.#label || (last !== undefined && sample.percent < last.percent)) this.#samples = [];
    this.#label = label;
    if (last !== undefined && last.atMs === sample.atMs) return;
    this.#samples.push(sample);
    while (this.#samples.length > 2 && sample.atMs - this.#samples[0]!.atMs > WINDOW_MS) this.#samples.shift();
  }

  /** Percent a second; undefined as long as nobody can know. */
  get percentPerSecond(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.atMs - first.atMs < LEAST_MS) return undefined;
    return ((last.percent - first.percent) * 1000) / (last.atMs - first.atMs);
  }

  /** Milliseconds until 100 %; undefined as long as nobody can know. */
  get leftMs(): number | undefined {
    const rate = this.percentPerSecond;
    const last = this.#samples.at(-1);
    if (rate === undefined || last === undefined || rate < 0.01) return undefined;
    return ((100 - last.percent) / rate) * 1000;
  }
}
