/** So many wrong PINs from one machine lock its menu. */
export const MOST_WRONG_OF_ONE = 5;
/** So many from all machines together lock every menu: an address is easily made up. */
export const MOST_WRONG_OF_ALL = 20;
export const LOCKED_FOR_MS = 15 * 60_000;
/** Machines that are counted at the same time. */
const MOST_MACHINES = 1000;

type Count = { wrong: number; sinceMs: number; lockedUntilMs: number };

/** Counts wrong PINs, by machine and overall, and says when no more are looked at. In memory: a restart forgets. */
export class PinGate {
  readonly #now: () => number;
  readonly #byMac = new Map<string, Count>();
  #all: Count = { wrong: 0, sinceMs: 0, lockedUntilMs: 0 };

  constructor(now: () => number) {
    this.#now = now;
  }

  /** How long this machine's menu takes no PIN, 0 when it does. */
  lockedForMs(mac: string): number {
    const untilMs = Math.max(this.#all.lockedUntilMs, this.#byMac.get(mac)?.lockedUntilMs ?? 0);
    return Math.max(0, untilMs - this.#now());
  }

  /** A wrong PIN. @returns what it has locked now, if anything */
  wrong(mac: string): "machine" | "all" | undefined {
    const own = this.#byMac.get(mac) ?? { wrong: 0, sinceMs: 0, lockedUntilMs: 0 };
    this.#byMac.delete(mac);
    this.#byMac.set(mac, own);
    const [oldest] = this.#byMac.keys();
    if (this.#byMac.size > MOST_MACHINES && oldest !== undefined) this.#byMac.delete(oldest);
    const isMachine = this.#count(own, MOST_WRONG_OF_ONE);
    if (this.#count(this.#all, MOST_WRONG_OF_ALL)) return "all";
    return isMachine ? "machine" : undefined;
  }

  /** The right PIN: this machine's wrong ones were somebody's slips. Those of all still count. */
  right(mac: string): void {
    this.#byMac.delete(mac);
  }

  #count(count: Count, most: number): boolean {
    const nowMs = this.#now();
    if (nowMs - count.sinceMs >= LOCKED_FOR_MS) {
      count.wrong = 0;
      count.sinceMs = nowMs;
    }
    count.wrong += 1;
    if (count.wrong < most) return false;
    count.lockedUntilMs = nowMs + LOCKED_FOR_MS;
    return true;
  }
}
