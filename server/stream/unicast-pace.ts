/** A receiver waits 25 s for the first byte of a pack; most of that is for the way and for a slow disk. */
const MOST_WAIT_MS = 12_000;
/** At a rate of a few kilobytes a second a pack would stop the group for minutes. */
const MOST_PACK_MS = 2_000;

/**
 * Keeps packs that receivers fetch by unicast within the stream's rate: one goes after the other, and while the group
 * is sent to, each takes half of the rate: the group pauses for as long as a pack takes at the full one.
 *
 * Owns no clock: times come in, in milliseconds.
 */
export class UnicastPace {
  #freeAt = 0;
  #groupFreeAt = 0;

  /**
   * Takes a place in the row.
   *
   * @param isGroupBusy symbols are sent now, too
   * @returns how long this pack is to wait; undefined when the row is too long to be worth waiting
   */
  admit(
    { bytes, bytesPerSecond, isGroupBusy }: { bytes: number; bytesPerSecond: number; isGroupBusy: boolean },
    now: number,
  ): number | undefined {
    const waitMs = Math.max(0, this.#freeAt - now);
    if (waitMs > MOST_WAIT_MS) return undefined;
    this.#freeAt = now + waitMs + timeOf(bytes, bytesPerSecond) * (isGroupBusy ? 2 : 1);
    return waitMs;
  }

  /** A pack goes out now. */
  onSent(bytes: number, bytesPerSecond: number, now: number): void {
    this.#groupFreeAt = Math.max(now, this.#groupFreeAt) + timeOf(bytes, bytesPerSecond);
  }

  /** How long the group leaves the wire to packs; 0 when it need not. */
  groupPauseMs(now: number): number {
    return Math.max(0, this.#groupFreeAt - now);
  }
}

function timeOf(bytes: number, bytesPerSecond: number): number {
  return Math.min(MOST_PACK_MS, (bytes / bytesPerSecond) * 1_000);
}
