/** Wrong ones in a row from one address: a room of machines with an old stick, behind one router. */
const MOST_OF_ADDRESS = 50;
const REFILL_MS = 6_000;
const TELL_EVERY_MS = 60_000;
const MOST_TOLD_A_MINUTE = 20;
const MOST_ADDRESSES = 5_000;

type Tries = { left: number; atMs: number; toldMs: number };

/** How many wrong tokens are listened to, and which of them people are told of. Decides only. */
export class WrongTokens {
  readonly #addresses = new Map<string, Tries>();
  #told = { sinceMs: Number.NEGATIVE_INFINITY, count: 0 };

  /** False: so many of this address were wrong that for some time none is looked at. */
  isListenedTo(address: string, nowMs: number): boolean {
    const tries = this.#addresses.get(address);
    if (tries === undefined) return true;
    refill(tries, nowMs);
    return tries.left >= 1;
  }

  /** One was wrong. @returns whether people are to be told */
  wrong(address: string, nowMs: number): boolean {
    const fresh = { left: MOST_OF_ADDRESS, atMs: nowMs, toldMs: Number.NEGATIVE_INFINITY };
    const tries = this.#addresses.get(address) ?? fresh;
    refill(tries, nowMs);
    tries.left = Math.max(0, tries.left - 1);
    this.#addresses.delete(address);
    this.#addresses.set(address, tries);
    const [oldest] = this.#addresses.keys();
    if (this.#addresses.size > MOST_ADDRESSES && oldest !== undefined) this.#addresses.delete(oldest);
    if (Math.abs(nowMs - tries.toldMs) < TELL_EVERY_MS || !this.#mayTell(nowMs)) return false;
    tries.toldMs = nowMs;
    return true;
  }

  #mayTell(nowMs: number): boolean {
    if (Math.abs(nowMs - this.#told.sinceMs) >= TELL_EVERY_MS) this.#told = { sinceMs: nowMs, count: 0 };
    this.#told.count += 1;
    return this.#told.count <= MOST_TOLD_A_MINUTE;
  }
}

function refill(tries: Tries, nowMs: number): void {
  // A clock that was set back gives nothing.
  const passedMs = Math.max(0, nowMs - tries.atMs);
  tries.left = Math.min(MOST_OF_ADDRESS, tries.left + passedMs / REFILL_MS);
  tries.atMs = nowMs;
}
