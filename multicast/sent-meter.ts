const SLOT_MS = 250;
const SLOTS = 8;

/** How fast something goes now: an average of the last two seconds. Owns no clock: times come in, in milliseconds. */
export class SentMeter {
  /** What was sent by the end of each of the last slots. */
  readonly #ends: { readonly at: number; readonly bytes: number }[] = [];
  #bytes = 0;
  #slotEndsAt = Number.NEGATIVE_INFINITY;

  /** All that was ever added. */
  get bytes(): number {
    return this.#bytes;
  }

  add(bytes: number, now: number): void {
    if (now >= this.#slotEndsAt) {
      this.#ends.push({ at: now, bytes: this.#bytes });
      if (this.#ends.length > SLOTS) this.#ends.shift();
      this.#slotEndsAt = now + SLOT_MS;
    }
    this.#bytes += bytes;
  }

  bytesPerSecond(now: number): number {
    const first = this.#ends.find(({ at }) => now - at <= SLOT_MS * SLOTS);
    if (first === undefined) return 0;
    // The first moments of a stream are no rate yet.
    return ((this.#bytes - first.bytes) / Math.max(SLOT_MS, now - first.at)) * 1_000;
  }
}
