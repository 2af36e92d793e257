/** So many blocks are looked back on. */
const HISTORY = 16;
/** Of them, at most this many may have needed less than is sent unasked. */
const WASTED = 2;

/** A block that was sent, of which not all have told yet what they lack. */
export type Unjudged = {
  readonly block: number;
  /** Repairs of it that were planned before: for who needed it in an earlier pass. */
  readonly plannedBefore: number;
};

/**
 * How many parity symbols are sent right behind a block, before anybody asks.
 *
 * In a large room nearly every block is incomplete somewhere. What nearly every
 * block needed lately is sent unasked: that costs next to nothing on the wire
 * and spares the round of requests. In a room without loss it is nothing.
 */
export class Anticipation {
  /** Sent but not yet judged, oldest first. */
  readonly #unjudged: (Unjudged & { readonly judgedAt: number; readonly unasked: number })[] = [];
  readonly #asked = new Set<number>();
  readonly #needs: number[] = [];

  /** Parity symbols to send unasked for the next block. */
  get count(): number {
    if (this.#needs.length < HISTORY) return 0;
    return this.#needs.toSorted((left, right) => left - right)[WASTED]!;
  }

  /** The most that one of the blocks looked back on needed. */
  get most(): number {
    return Math.max(0, ...this.#needs);
  }

  /** The blocks that were sent lately. */
  get unjudged(): readonly Unjudged[] {
    return this.#unjudged;
  }

  /**
   * A block was sent, with `unasked` parity symbols.
   *
   * @param judgedAt whoever lacks more of it says so before
   */
  onBlock(sent: Unjudged, unasked: number, judgedAt: number): void {
    this.#unjudged.push({ ...sent, unasked, judgedAt });
  }

  /** Others are served from now on: what was needed so far says nothing about them. */
  forget(): void {
    this.#unjudged.length = 0;
    this.#asked.clear();
    this.#needs.length = 0;
  }

  onRequest(block: number): void {
    this.#asked.add(block);
  }

  /** @param plannedFor parity symbols sent or queued for a block by now */
  judge(now: number, plannedFor: (block: number) => number): void {
    for (let first = this.#unjudged[0]; first !== undefined && first.judgedAt <= now; first = this.#unjudged[0]) {
      this.#unjudged.shift();
      const { block, plannedBefore, unasked } = first;
      // Nobody asked: less would have done, perhaps.
      const need = this.#asked.delete(block) ? plannedFor(block) - plannedBefore : Math.max(0, unasked - 1);
      this.#needs.push(need);
      if (this.#needs.length > HISTORY) this.#needs.shift();
    }
  }
}
