/** The least or the greatest value of the last while, remembered in tenths of it. Times are the caller's milliseconds. */
export class Extreme {
  readonly #ms: number;
  readonly #of: (one: number, other: number) => number;
  #kept: { readonly at: number; readonly value: number }[] = [];

  /** @param of Math.min or Math.max */
  constructor(ms: number, of: (one: number, other: number) => number) {
    this.#ms = ms;
    this.#of = of;
  }

  add(value: number, now: number): void {
    const last = this.#kept.at(-1);
    if (last === undefined || now >= last.at + this.#ms / 10) this.#kept.push({ at: now, value });
    else this.#kept[this.#kept.length - 1] = { at: last.at, value: this.#of(last.value, value) };
  }

  restart(value: number, now: number): void {
    this.#kept = [{ at: now, value }];
  }

  /** 0 when there is none. The last one stays however old it is. */
  value(now: number): number {
    while (this.#kept.length > 1 && this.#kept[0]!.at < now - this.#ms) this.#kept.shift();
    return this.#kept.reduce((extreme, { value }) => this.#of(extreme, value), this.#kept[0]?.value ?? 0);
  }
}
