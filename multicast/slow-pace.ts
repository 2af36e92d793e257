/** What a lower rate needs to show itself in the receivers' reports, one a second. */
const SETTLE_MS = 4_000;
/** So much of what a link brought is asked of it: a link that is full to the brim loses still. */
const SHARE = 0.95;
/** A link that loses less is not full, and may be able to take more. */
const GOOD_LOSS = 0.02;
const FASTER = 1.1;

/**
 * The pace of a stream that goes only to hosts whose links are too slow for it.
 *
 * What such a link brings in a second is what it can: one step goes there.
 * Where the loss stays although less is sent, the rate was not the reason, and
 * the stream goes back to its own: parity makes up for such loss.
 */
export class SlowPace {
  #ceiling = Number.POSITIVE_INFINITY;
  /** The loss that the last step was to end. */
  #lossBefore: number | undefined;
  #isUseless = false;
  #lookAt = 0;

  /** Most bytes a second. */
  get ceiling(): number {
    return this.#ceiling;
  }

  /** It is about others now, or about nobody: at the stream's own rate. */
  reset(): void {
    this.#ceiling = Number.POSITIVE_INFINITY;
    this.onOther();
  }

  /** Another one of those who are served is the best from now on: what the last step did for the one before is over. */
  onOther(): void {
    this.#lossBefore = undefined;
    this.#isUseless = false;
    this.#lookAt = 0;
  }

  /**
   * @param best what the host reports that gets most of all who are served
   * @param floorLoss a host that loses less does not need a slower stream
   */
  look(
    best: { readonly lossShare: number; readonly receivedBytesPerSecond: number },
    floorLoss: number,
    now: number,
  ): void {
    if (this.#isUseless || now < this.#lookAt) return;
    const { lossShare } = best;
    if (this.#lossBefore !== undefined && lossShare > this.#lossBefore / 2) {
      this.#ceiling = Number.POSITIVE_INFINITY;
      this.#isUseless = true;
    } else if (lossShare >= floorLoss) {
      this.#ceiling = best.receivedBytesPerSecond * SHARE;
      this.#lossBefore = lossShare;
      this.#lookAt = now + SETTLE_MS;
    } else if (this.#lossBefore !== undefined && lossShare < GOOD_LOSS) {
      this.#ceiling *= FASTER;
      this.#lookAt = now + SETTLE_MS;
      // Faster again, it may lose a little again: that is no proof that the rate makes no difference.
      this.#lossBefore = Math.max(this.#lossBefore, 2 * floorLoss);
    }
  }
}
