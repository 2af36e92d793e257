import type { CanaryCount } from "./canary-burst.ts";

const MOST_STEP = 100_000;

/** Counts the canaries that a receiver hears before the first symbol, and those that it does not, by their numbers. */
export class CanaryMeter {
  #before: number | undefined;
  #received = 0;
  #lost = 0;

  /** @param sequence of a canary, 32 bits, wraps */
  note(sequence: number): void {
    const step = this.#before === undefined ? 1 : (sequence - this.#before) | 0;
    this.#received += 1;
    // What comes late was counted as lost.
    if (step <= 0 && step > -MOST_STEP) this.#lost = Math.max(0, this.#lost - 1);
    if (step > 0 && step < MOST_STEP) this.#lost += step - 1;
    // A number far from the one before is a sender that began anew.
    if (step > 0 || step <= -MOST_STEP) this.#before = sequence;
  }

  /** Since the last call; undefined when no canary came. */
  take(): CanaryCount | undefined {
    if (this.#received === 0) return undefined;
    const count = { received: this.#received, lost: this.#lost };
    this.#received = 0;
    this.#lost = 0;
    return count;
  }
}
