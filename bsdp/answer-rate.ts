/**
 * A thousand machines that are switched on together ask some five times each within a second or two (firmware, boot
 * server, loader). As answers of 300 bytes this is 24 Mbit/s.
 */
const OVERALL = 10_000;
/** Firmware that is in a hurry asks three times a second. */
const PER_CLIENT = 10;

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

  constructor(limits: { readonly perClient?: number; readonly overall?: number } = {}) {
    this.#perClient = limits.perClient ?? PER_CLIENT;
    this.#overall = limits.overall ?? OVERALL;
  }

  /** Counts one answer; false when it must not be sent. */
  allows(mac: string, nowMs: number): boolean {
    // A clock that was set back must not silence us until it has caught up.
    if (nowMs - this.#secondStartMs >= 1000 || nowMs < this.#secondStartMs) {
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
