/** How far behind the newest datagram a late one is still told from a duplicate. */
const WINDOW = 8192;

/** A jump further than this is believed only when the next datagram goes on from there (as RFC 3550, A.1). */
const LARGEST_JUMP = 512;
/** So much may be lost in a row; further on, or back, begins another count. */
const LARGEST_LOSS = 1 << 22;
/** Another count is that of a sender that was started again when so many went on from there. */
const RESTARTED_AFTER = 64;

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
  /** The newest number of the count before this one: two forged datagrams make another count, and the true one returns. */
  #newestBefore: number | undefined;
  /** How many have still to go on from there until it counts as a restart. */
  #unproven = 0;

  /** The newest number seen; undefined before the first datagram. */
  get newest(): number | undefined {
    return this.#newest;
  }

  /** How often the sender was started again: it began to count anew, and went on from there. */
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
      if (sequence !== this.#strangeNext) {
        this.#strangeNext = (sequence + 1) >>> 0;
        return "strange";
      }
      this.#strangeNext = undefined;
      if (ahead <= 0 || ahead > LARGEST_LOSS) return this.#restart(sequence);
      this.#advance((sequence - 1) >>> 0, ahead - 1);
      return this.#advance(sequence, 1);
    }
    if (ahead > 0) return this.#advance(sequence, ahead);
    const slot = sequence & (WINDOW - 1);
    if (this.#seen[slot] === 1) return "duplicate";
    this.#seen[slot] = 1;
    this.#received += 1;
    // What was sent before the first one seen never counted as lost.
    if (this.#newestOffset + ahead > 0) this.#lost -= 1;
    return "late";
  }

  #advance(sequence: number, ahead: number): "newest" {
    // Numbers that are skipped must not look seen from WINDOW numbers ago.
    for (let skipped = 1; skipped < Math.min(ahead, WINDOW); skipped += 1) {
      this.#seen[(sequence - skipped) & (WINDOW - 1)] = 0;
    }
    this.#lost += ahead - 1;
    this.#newestOffset += ahead;
    this.#newest = sequence;
    this.#seen[sequence & (WINDOW - 1)] = 1;
    this.#received += 1;
    if (this.#unproven > 0) {
      this.#unproven -= 1;
      if (this.#unproven === 0) this.#restarts += 1;
    }
    return "newest";
  }

  #restart(sequence: number): "newest" {
    const before = this.#newestBefore;
    const isReturn = before !== undefined && Math.abs((sequence - before) | 0) <= LARGEST_LOSS;
    this.#unproven = isReturn || this.#newest === undefined ? 0 : RESTARTED_AFTER;
    this.#newestBefore = this.#newest;
    this.#seen.fill(0);
    this.#newest = sequence;
    this.#newestOffset = 0;
    this.#strangeNext = undefined;
    this.#seen[sequence & (WINDOW - 1)] = 1;
    this.#received += 1;
    return "newest";
  }
}
