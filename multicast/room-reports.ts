/** What one receiver said of the time since its last report. */
export type HostReport = {
  readonly symbolsReceived: number;
  readonly symbolsLost: number;
  /** How long datagrams waited on their way: see DelayMeter. Receivers of older versions do not say. */
  readonly delayMs?: number | undefined;
};

/** A share of the datagrams, and how much of it may be chance among so many. */
export type RoomLoss = { readonly share: number; readonly chance: number };

/** Reports are about the last fifth of a second (delay) or about all the time since the last one (loss). */
const DELAY_WINDOW_MS = 200;
/** What arrives was sent, and the change of a rate heard of, a little before. */
const ON_THE_WAY_MS = 50;
const FRESH_MS = 3_000;
/** So many hosts make a judgement; all, where there are fewer. */
const ENOUGH_HOSTS = 3;
const LEAST_SYMBOLS = 200;

type Host = {
  readonly at: number;
  readonly delayMs: number | undefined;
  readonly hasHeard: boolean;
  /** Since the last fall, or the last judgement of loss. */
  readonly symbols: number;
  readonly lost: number;
};

/**
 * What the receivers' reports say about a rate, all together: the word of the median host, the better one of two. What
 * all have at the same time happens on the way that they share, and one bad link is its own trouble.
 */
export class RoomReports {
  readonly #hosts = new Map<string, Host>();
  #fellAt: number;

  constructor(now: number) {
    this.#fellAt = now;
  }

  add(host: string, { symbolsReceived, symbolsLost, delayMs }: HostReport, now: number): void {
    const before = this.#hosts.get(host);
    const heard = symbolsReceived + symbolsLost;
    // What was lost before the fall is not held against the rate since.
    const isSince = before !== undefined && before.at >= this.#fellAt + ON_THE_WAY_MS;
    const symbols = isSince ? before.symbols + heard : 0;
    const lost = isSince ? before.lost + symbolsLost : 0;
    this.#hosts.set(host, { at: now, delayMs, hasHeard: heard > 0, symbols, lost });
  }

  /** The host is finished, or lost. */
  forget(host: string): void {
    this.#hosts.delete(host);
  }

  /** Less is sent from now on: loss is counted anew. */
  onFall(now: number): void {
    this.#fellAt = now;
    this.countLossAnew();
  }

  countLossAnew(): void {
    for (const [id, host] of this.#hosts) this.#hosts.set(id, { ...host, symbols: 0, lost: 0 });
  }

  /** @returns milliseconds; undefined when too few have spoken about the rate as it is since `changedAt` */
  delayMs(changedAt: number, now: number): number | undefined {
    const from = changedAt + ON_THE_WAY_MS + DELAY_WINDOW_MS;
    // Who hears the stream and says nothing of a delay cannot measure it: then loss alone decides.
    const delays = this.#fresh(now)
      .filter(({ at, delayMs, hasHeard }) => at >= from && (delayMs !== undefined || hasHeard))
      .map(({ delayMs = 0 }) => delayMs);
    return this.#isEnough(delays.length, now) ? median(delays) : undefined;
  }

  /** @returns undefined when too few have heard enough @param usualShare what is lost without our doing */
  loss(usualShare: number, now: number): RoomLoss | undefined {
    const hosts = this.#fresh(now).filter(({ symbols }) => symbols >= LEAST_SYMBOLS);
    if (!this.#isEnough(hosts.length, now)) return undefined;
    const symbols = median(hosts.map((host) => host.symbols));
    const share = median(hosts.map((host) => host.lost / host.symbols));
    return { share, chance: chanceOf(usualShare, symbols) };
  }

  #isEnough(count: number, now: number): boolean {
    return count > 0 && count >= Math.min(ENOUGH_HOSTS, this.#fresh(now).length);
  }

  #fresh(now: number): Host[] {
    return [...this.#hosts.values()].filter(({ at }) => at >= now - FRESH_MS);
  }
}

/** How much more than usual may be lost of so many symbols by chance. @param usualShare what is lost without our doing */
export function chanceOf(usualShare: number, symbols: number): number {
  const usual = Math.max(0.01, usualShare);
  return 3 * Math.sqrt((usual * (1 - usual)) / symbols);
}

/** The lower one of the two in the middle. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[(sorted.length - 1) >> 1]!;
}
