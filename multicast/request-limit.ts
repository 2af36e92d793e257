/** Who asks as receivers do rests for 20 ms at least; what was held up on the way comes together. */
const EVERY_MS = 15;
const MOST_TOGETHER = 10;

/**
 * How often each receiver is heard: one that asks without end is not heard more than others, and does not make the room's
 * pauses longer. Times are the caller's milliseconds.
 */
export class RequestLimit {
  /** When each will have paid for what it has asked. */
  readonly #paidAt = new Map<string, number>();

  /** Whether a request of `signer`, who takes part, is heard now. */
  isHeard(signer: string, now: number): boolean {
    const paidAt = Math.max(now, this.#paidAt.get(signer) ?? now);
    if (paidAt - now > EVERY_MS * (MOST_TOGETHER - 1)) return false;
    this.#paidAt.set(signer, paidAt + EVERY_MS);
    return true;
  }

  forget(signer: string): void {
    this.#paidAt.delete(signer);
  }
}
