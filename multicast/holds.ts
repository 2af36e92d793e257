/** Why nothing but canaries is sent now: each who wants it so says a reason, and lets go by itself. */
export class Holds {
  readonly #reasons = new Map<symbol, string>();

  /** Somebody has not let go yet. */
  get isHeld(): boolean {
    return this.#reasons.size > 0;
  }

  /** For people. */
  get reasons(): readonly string[] {
    return [...this.#reasons.values()];
  }

  /** @returns lets go: true when nobody holds any more by it; nothing happens the second time */
  add(reason: string): () => boolean {
    const key = Symbol();
    this.#reasons.set(key, reason);
    return () => this.#reasons.delete(key) && !this.isHeld;
  }
}
