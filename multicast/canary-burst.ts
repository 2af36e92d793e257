/** What a receiver had of the canaries since its last report. */
export type CanaryCount = {
  readonly received: number;
  /** Datagrams that were missing before a canary. */
  readonly lost: number;
};

/** How a room took the burst. */
export type BurstResult = {
  /** Of all receivers that answered: the share that was lost, 0 to 1; the middle one, the better of two; and the worst. */
  readonly lossShare: number;
  readonly worstLossShare: number;
  /** Id of the receiver with the worst; undefined when nobody answered. */
  readonly worst: string | undefined;
  readonly answered: number;
  readonly asked: number;
  readonly datagrams: number;
};

/**
 * A short burst of canaries at the stream's rate before its first symbol: what is lost of it shows what the network
 * loses at that rate, before anything depends on it. It is over when every receiver has told of it, or after a while.
 *
 * Owns no clock: times come in, in milliseconds.
 */
export class CanaryBurst {
  readonly #datagrams: number;
  readonly #waitMs: number;
  readonly #counts = new Map<string, { received: number; lost: number }>();
  #sent = 0;
  #sentAt = 0;

  /** @param options.waitMs for the answers, from the last canary on */
  constructor(options: { readonly datagrams: number; readonly waitMs: number }) {
    this.#datagrams = options.datagrams;
    this.#waitMs = options.waitMs;
  }

  get isSent(): boolean {
    return this.#sent >= this.#datagrams;
  }

  onSent(now: number): void {
    this.#sent += 1;
    this.#sentAt = now;
  }

  onReport(id: string, { received, lost }: CanaryCount): void {
    if (this.#sent === 0) return;
    const count = this.#counts.get(id) ?? { received: 0, lost: 0 };
    this.#counts.set(id, { received: count.received + received, lost: count.lost + lost });
  }

  /** Undefined while it goes on. @param ids of the receivers that it is for */
  result(ids: readonly string[], now: number): BurstResult | undefined {
    if (!this.isSent) return undefined;
    const isAnswered = ids.every((id) => {
      const { received = 0, lost = 0 } = this.#counts.get(id) ?? {};
      return received + lost >= this.#datagrams;
    });
    if (!isAnswered && now < this.#sentAt + this.#waitMs) return undefined;
    const losses = ids
      .flatMap((id) => {
        const count = this.#counts.get(id);
        if (count === undefined || count.received === 0) return [];
        // No more than was sent: one canary with a forged number looks like many that were lost.
        const lost = Math.min(count.lost, Math.max(0, this.#datagrams - count.received));
        return [{ id, share: lost / (count.received + lost) }];
      })
      .toSorted((one, other) => one.share - other.share);
    const worst = losses.at(-1);
    return {
      lossShare: losses[(losses.length - 1) >> 1]?.share ?? 0,
      worstLossShare: worst?.share ?? 0,
      worst: worst?.id,
      answered: losses.length,
      asked: ids.length,
      datagrams: this.#datagrams,
    };
  }
}
