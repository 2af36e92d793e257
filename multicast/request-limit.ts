/**
 * A receiver alone rests for 20 ms at least, and a whole room asks every 14 ms on average, also when all of it is behind
 * one address (see FEEDBACK_MS_A_HOST in sender.ts). What was held up on the way comes together.
 */
const EVERY_MS = 13;
const MOST_TOGETHER = 10;
/**
 * A request that names so many blocks costs as much again: each is looked at, and a large image has tens of thousands.
 * Receivers ask so only once, when they missed most of a pass.
 */
const BLOCKS_A_PRICE = 1_000;

/**
 * How often each address is heard, whichever of its receivers asks: one that asks without end is not heard more than
 * others, and does not make the room's pauses longer. Times are the caller's milliseconds.
 */
export class RequestLimit {
  /** When each address will have paid for what it has asked. */
  readonly #paidAt = new Map<string, number>();

  /** Whether a request from `address`, of a receiver that takes part, is heard now. @param blocks that it names */
  isHeard(address: string, blocks: number, now: number): boolean {
    const paidAt = Math.max(now, this.#paidAt.get(address) ?? now);
    if (paidAt - now > EVERY_MS * (MOST_TOGETHER - 1)) return false;
    this.#paidAt.set(address, paidAt + EVERY_MS * (1 + Math.floor(blocks / BLOCKS_A_PRICE)));
    return true;
  }

  /** Forgets those that owe nothing any more. One that leaves and joins again still owes what it did. */
  forgetPaid(now: number): void {
    for (const [address, paidAt] of this.#paidAt) if (paidAt <= now) this.#paidAt.delete(address);
  }
}
