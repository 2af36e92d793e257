/**
 * The blocks that are still to be sent as a whole, the one that is being sent, and the passes through them.
 *
 * A pass goes through what is needed in ascending order. What is needed before its place when it ends makes the next
 * pass.
 */
export class NeededBlocks {
  /** 1: this block is still to be sent. */
  readonly #needed: Uint8Array;
  #current: number | undefined;
  #pass = 1;
  #isPassOpen = false;
  /** Some blocks may be needed by nobody any more. */
  #isStale = false;

  constructor(blockCount: number) {
    this.#needed = new Uint8Array(blockCount);
  }

  /** The block that is being sent; undefined when none is needed, or before `advance`. */
  get current(): number | undefined {
    return this.#current;
  }

  /** Which pass goes on, or comes next: 1 is the first. */
  get pass(): number {
    return this.#pass;
  }

  /** Something is still to be sent. */
  get areAnyNeeded(): boolean {
    return this.#current !== undefined || this.#needed.includes(1);
  }

  isNeeded(block: number): boolean {
    return this.#needed[block] === 1;
  }

  need(block: number): void {
    this.#needed[block] = 1;
  }

  needAll(): void {
    this.#needed.fill(1);
  }

  /** The current block is begun: who needs it from now on needs it in a later pass. */
  begin(): void {
    if (this.#current !== undefined) this.#needed[this.#current] = 0;
  }

  /** Nobody needs anything any more. */
  clear(): void {
    this.#needed.fill(0);
    this.#current = undefined;
  }

  /**
   * A receiver ended without everything. What is left at the end of the pass is not sent then: rather than send a pass
   * for somebody who left, the sender asks those who are here.
   */
  onReceiverLeft(): void {
    this.#isStale = true;
  }

  /**
   * Goes to the next block that is needed, from `from` on and then from the beginning.
   *
   * @returns the number of the pass that has ended by it; undefined when none has
   */
  advance(from = 0): number | undefined {
    const next = this.#needed.indexOf(1, from);
    const ended = next === -1 && this.#isPassOpen ? this.#pass : undefined;
    if (ended !== undefined) {
      this.#isPassOpen = false;
      this.#pass += 1;
    }
    if (next === -1 && this.#isStale) this.#needed.fill(0);
    const found = next === -1 ? this.#needed.indexOf(1) : next;
    this.#current = found === -1 ? undefined : found;
    if (this.#current === undefined) this.#isStale = false;
    else this.#isPassOpen = true;
    return ended;
  }
}
