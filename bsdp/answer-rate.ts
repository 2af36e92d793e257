/**
 * Bounds how many packets we answer in a second: a broken or hostile client
 * must not make us flood the network. It owns no clock.
 */
export class AnswerRate {
  readonly #perClient: number;
  readonly #overall: number;
  readonly #counts = new Map<string, number>();
  #secondStartMs = Number.NEGATIVE_INFINITY;
  #total = 0;

  constructor(limits: { readonly perClient: number; readonly overall: number } = { perClient: 10, overall: 500 }) {
    this.#perClient = limits.perClient;
    this.#overall = limits.overall;
  }

  /** Counts one answer; false when it must not be sent. */
  allows(mac: string, nowMs: number): boolean {
    if (nowMs - this.#secondStartMs >= 1000) {
      this.#secondStartMs = nowMs;
      this.#total = 0;
      this.#counts.clear();
    }
    const count = (this.#counts.get(mac) ?? 0) + 1;
    if (count > this.#perClient || this.#total >= this.#overall) return false;
    this.#counts.set(mac, count);
    this.#total += 1;
    return true;
  }
}
