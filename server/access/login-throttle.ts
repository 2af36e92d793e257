/** Wrong passwords from one address, or for one name, that are taken without a wait. */
const FREE_FAILURES = 5;
const FIRST_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 15 * 60_000;
/** After so long without a failure nothing is remembered. */
const FORGET_MS = 60 * 60_000;
/** Who has many addresses cannot take our memory; the oldest are forgotten first. */
const MOST_KEYS = 10_000;
/** A name may fail much more often before it waits, and waits less: nobody shall lock others out. */
const FREE_NAME_FAILURES = 50;
const LONGEST_NAME_WAIT_MS = 30_000;

type Failures = { readonly count: number; readonly lastMs: number };

/**
 * How long somebody waits who typed wrong passwords: nothing for the first five, then two seconds, then twice as
 * long each time up to 15 minutes. Counted by address, and more generously by name, for guesses from many addresses.
 */
export class LoginThrottle {
  readonly #failures = new Map<string, Failures>();

  /** Milliseconds until the next try is heard; 0: now. */
  waitMs(address: string, name: string, nowMs: number): number {
    return Math.max(
      this.#waitOf(addressKey(address), FREE_FAILURES, LONGEST_WAIT_MS, nowMs),
      this.#waitOf(nameKey(name), FREE_NAME_FAILURES, LONGEST_NAME_WAIT_MS, nowMs),
    );
  }

  onFailure(address: string, name: string, nowMs: number): void {
    for (const key of [addressKey(address), nameKey(name)]) {
      const count = (this.#known(key, nowMs)?.count ?? 0) + 1;
      this.#failures.delete(key);
      this.#failures.set(key, { count, lastMs: nowMs });
    }
    for (const key of this.#failures.keys()) {
      if (this.#failures.size <= MOST_KEYS) break;
      this.#failures.delete(key);
    }
  }

  /** The name's failures stay: a guesser who owns one user must not clear the count of others. */
  onSuccess(address: string): void {
    this.#failures.delete(addressKey(address));
  }

  #waitOf(key: string, free: number, longestMs: number, nowMs: number): number {
    const failures = this.#known(key, nowMs);
    if (failures === undefined || failures.count < free) return 0;
    const waitMs = Math.min(FIRST_WAIT_MS * 2 ** Math.min(failures.count - free, 20), longestMs);
    return Math.max(0, failures.lastMs + waitMs - nowMs);
  }

  #known(key: string, nowMs: number): Failures | undefined {
    const failures = this.#failures.get(key);
    return failures !== undefined && nowMs - failures.lastMs < FORGET_MS ? failures : undefined;
  }
}

function addressKey(address: string): string {
  return `address ${address}`;
}

function nameKey(name: string): string {
  return `name ${name.toLowerCase()}`;
}
