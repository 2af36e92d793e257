/** So many blocks are looked back on. */
const HISTORY = 16;
/** Of them, at most this many may have needed less than is sent unasked. */
const WASTED = 2;

/**
 * How many parity symbols are sent right behind a block, before anybody asks.
 *
 * In a large room nearly every block is incomplete somewhere. What nearly every
 * block needed lately is sent unasked: that costs next to nothing on the wire
 * and spares the round of requests. In a room without loss it is nothing.
 */
export class Anticipation {
  /** Sent but not yet judged, oldest first. */
  readonly #pending: { readonly block: number; readonly judgedAt: number; readonly unasked: number }[] = [];
  readonly #asked = new Set<number>();
  readonly #needs: number[] = [];

  /** Parity symbols to send unasked for the next block. */
  get count(): number {
    if (this.#needs.length < HISTORY) return 0;
    return this.#needs.toSorted((left, right) => left - right)[WASTED]!;
  }

  /** A block was sent, with `unasked` parity symbols; whoever lacks more says so before `judgedAt`. */
  onBlock(block: number, unasked: number, judgedAt: number): void {
    this.#pending.push({ block, judgedAt, unasked });
  }

  /** Others are served from now on: what was needed so far says nothing about them. */
  forget(): void {
    this.#pending.length = 0;
    this.#asked.clear();
    this.#needs.length = 0;
  }

  onRequest(block: number): void {
    this.#asked.add(block);
  }

  /** @param plannedFor parity symbols sent or queued for a block by now */
  judge(now: number, plannedFor: (block: number) => number): void {
    for (let first = this.#pending[0]; first !== undefined && first.judgedAt <= now; first = this.#pending[0]) {
      this.#pending.shift();
      // Nobody asked: less would have done, perhaps.
      const need = this.#asked.delete(first.block) ? plannedFor(first.block) : Math.max(0, first.unasked - 1);
      this.#needs.push(need);
      if (this.#needs.length > HISTORY) this.#needs.shift();
    }
  }
}
