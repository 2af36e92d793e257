/** How far behind the newest datagram a late one is still told from a duplicate. */
const WINDOW = 8192;

/** A jump further than this is believed only when the next datagram goes on from there (as RFC 3550, A.1). */
const LARGEST_JUMP = 1 << 22;

/**
 * Counts what was lost, from the sequence numbers alone: a gap counts as lost
 * until the missing number arrives late after all.
 */
export class SequenceWindow {
  readonly #seen = new Uint8Array(WINDOW);
  #newest: number | undefined;
  /** The newest number, counted from the first one seen: does not wrap. */
  #newestOffset = 0;
  /** What would confirm the last strange number. */
  #strangeNext: number | undefined;
  #received = 0;
  #lost = 0;
  #restarts = 0;

  /** The newest number seen; undefined before the first datagram. */
  get newest(): number | undefined {
    return this.#newest;
  }

  /** How often the sender began to count anew. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Different datagrams that arrived. */
  get received(): number {
    return this.#received;
  }

  /** Datagrams sent between the first and the newest seen that did not arrive, as far as known now. */
  get lost(): number {
    return this.#lost;
  }

  /**
   * Notes datagram `sequence` (32 bits, wrapping).
   *
   * "newest": ahead of all before. "late": arrived out of order. "duplicate":
   * seen before. "strange": so far away that it may be forged; not counted.
   */
  note(sequence: number): "newest" | "late" | "duplicate" | "strange" {
    if (this.#newest === undefined) return this.#restart(sequence);
    const ahead = (sequence - this.#newest) | 0;
    if (ahead > LARGEST_JUMP || ahead <= -WINDOW) {
      if (sequence === this.#strangeNext) {
        this.#restarts += 1;
        return this.#restart(sequence);
      }
      this.#strangeNext = (sequence + 1) >>> 0;
      return "strange";
    }
    const slot = sequence & (WINDOW - 1);
    if (ahead > 0) {
      // Numbers that are skipped must not look seen from WINDOW numbers ago.
      for (let skipped = 1; skipped < Math.min(ahead, WINDOW); skipped += 1) {
        this.#seen[(sequence - skipped) & (WINDOW - 1)] = 0;
      }
      this.#lost += ahead - 1;
      this.#newestOffset += ahead;
      this.#newest = sequence;
      this.#seen[slot] = 1;
      this.#received += 1;
      return "newest";
    }
    if (this.#seen[slot] === 1) return "duplicate";
    this.#seen[slot] = 1;
    this.#received += 1;
    // What was sent before the first one seen never counted as lost.
    if (this.#newestOffset + ahead > 0) this.#lost -= 1;
    return "late";
  }

  #restart(sequence: number): "newest" {
    this.#seen.fill(0);
    this.#newest = sequence;
    this.#newestOffset = 0;
    this.#strangeNext = undefined;
    this.#seen[sequence & (WINDOW - 1)] = 1;
    this.#received += 1;
    return "newest";
  }
}
