/** A large site that is switched on for the first time, all at once; and who comes behind them goes on in turn. */
const MOST_AT_ONCE = 2_000;
const REFILL_PER_SECOND = 10;
/** Of one address: a relay or a laboratory may speak for many. */
const MOST_OF_ADDRESS = 500;
const ADDRESS_REFILL_PER_SECOND = 1;
const TELL_EVERY_MS = 60_000;

type Bucket = { left: number; atMs: number };

/**
 * How many machines that nobody knows are taken into the list: everybody on the network can make some up, and each of
 * them is work for the server and a line for its people. Decides only; whoever is known already is not asked about.
 */
export class Newcomers {
  readonly #all: Bucket = { left: MOST_AT_ONCE, atMs: 0 };
  readonly #addresses = new Map<string, Bucket>();
  #toldMs = Number.NEGATIVE_INFINITY;

  /** @returns whether one more is taken, of this address; undefined: it is not known */
  take(address: string | undefined, nowMs: number): boolean {
    refill(this.#all, { most: MOST_AT_ONCE, perSecond: REFILL_PER_SECOND, nowMs });
    const own = this.#bucketOf(address ?? "", nowMs);
    if (this.#all.left < 1 || own.left < 1) return false;
    this.#all.left -= 1;
    own.left -= 1;
    return true;
  }

  /** Whether people are told of a refusal now. */
  isToBeTold(nowMs: number): boolean {
    if (Math.abs(nowMs - this.#toldMs) < TELL_EVERY_MS) return false;
    this.#toldMs = nowMs;
    return true;
  }

  /** Addresses that took nothing for long are forgotten: there are never more of them than newcomers. */
  #bucketOf(address: string, nowMs: number): Bucket {
    const rule = { most: MOST_OF_ADDRESS, perSecond: ADDRESS_REFILL_PER_SECOND, nowMs };
    if (!this.#addresses.has(address) && this.#addresses.size >= MOST_AT_ONCE) {
      for (const [other, bucket] of this.#addresses) {
        refill(bucket, rule);
        if (bucket.left >= MOST_OF_ADDRESS) this.#addresses.delete(other);
      }
    }
    const bucket = this.#addresses.get(address) ?? { left: MOST_OF_ADDRESS, atMs: nowMs };
    refill(bucket, rule);
    if (this.#addresses.size < 2 * MOST_AT_ONCE) this.#addresses.set(address, bucket);
    return bucket;
  }
}

function refill(bucket: Bucket, rule: { readonly most: number; readonly perSecond: number; readonly nowMs: number }) {
  const { most, perSecond, nowMs } = rule;
  // A clock that was set back gives nothing.
  const passedMs = Math.max(0, nowMs - bucket.atMs);
  bucket.left = Math.min(most, bucket.left + (passedMs * perSecond) / 1000);
  bucket.atMs = nowMs;
}
