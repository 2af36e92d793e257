/**
 * A low one of many numbers, that a few wrong ones do not change: the lowest of less than `each`, then the second lowest,
 * and the next one for every `each` more, up to the `most`th.
 */
export class LowRank {
  readonly #each: number;
  readonly #most: number;
  /** The lowest, ascending. */
  readonly #lows: number[] = [];
  #count = 0;

  constructor(each: number, most: number) {
    this.#each = each;
    this.#most = most;
  }

  /** How many there were. */
  get count(): number {
    return this.#count;
  }

  /** Infinity when there were none. */
  get value(): number {
    const rank = Math.min(this.#most - 1, Math.floor(this.#count / this.#each));
    return this.#lows[Math.min(rank, this.#lows.length - 1)] ?? Number.POSITIVE_INFINITY;
  }

  add(value: number): void {
    this.#count += 1;
    const lows = this.#lows;
    if (lows.length === this.#most && value >= lows[lows.length - 1]!) return;
    let at = lows.length === this.#most ? lows.length - 1 : lows.length;
    for (; at > 0 && lows[at - 1]! > value; at -= 1) lows[at] = lows[at - 1]!;
    lows[at] = value;
  }

  clear(): void {
    this.#lows.length = 0;
    this.#count = 0;
  }
}
