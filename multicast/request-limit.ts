/** Who asks as receivers do rests for 20 ms at least; what was held up on the way comes together. */
const EVERY_MS = 15;
const MOST_TOGETHER = 10;
/**
 * A request that names so many blocks costs as much again: each is looked at, and a large image has tens of thousands.
 * Receivers ask so only once, when they missed most of a pass.
 */
const BLOCKS_A_PRICE = 1_000;

/**
 * How often each receiver is heard: one that asks without end is not heard more than others, and does not make the room's
 * pauses longer. Times are the caller's milliseconds.
 */
export class RequestLimit {
  /** When each will have paid for what it has asked. */
  readonly #paidAt = new Map<string, number>();

  /** Whether a request of `signer`, who takes part, is heard now. @param blocks that it names */
  isHeard(signer: string, blocks: number, now: number): boolean {
    const paidAt = Math.max(now, this.#paidAt.get(signer) ?? now);
    if (paidAt - now > EVERY_MS * (MOST_TOGETHER - 1)) return false;
    this.#paidAt.set(signer, paidAt + EVERY_MS * (1 + Math.floor(blocks / BLOCKS_A_PRICE)));
    return true;
  }

  forget(signer: string): void {
    this.#paidAt.delete(signer);
  }
}
