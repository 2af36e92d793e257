/** "fixed": always the ceiling. "normal": shares. "background": leaves everything to others. */
export const rateModes = ["fixed", "normal", "background"] as const;
export type RateMode = (typeof rateModes)[number];

/** What one receiver said of the time since its last report. */
export type HostReport = {
  readonly symbolsReceived: number;
  readonly symbolsLost: number;
  /** How long datagrams waited on their way: see DelayMeter. Receivers of older versions do not say. */
  readonly delayMs?: number | undefined;
};

type Manners = {
  /** The share of the ceiling that is begun with. */
  readonly start: number;
  /** Against others that let queues stand: no less than this share of what the network has lately carried. */
  readonly leastBeside: number;
  /** A rise while nothing is in the way, and near the rate that was too much lately. */
  readonly riseFar: number;
  readonly riseNear: number;
};

const manners: Readonly<Record<Exclude<RateMode, "fixed">, Manners>> = {
  normal: { start: 0.5, leastBeside: 0.45, riseFar: 1.5, riseNear: 1.02 },
  background: { start: 0.1, leastBeside: 0, riseFar: 1.4, riseNear: 1.015 },
};

/** Never less: a stream that stands still helps nobody, and a rise from nothing takes for ever. */
const LEAST_SHARE = 0.02;
const LEAST_BYTES_PER_SECOND = 64_000;

/** A queue that stands: above the upper mark somebody suffers; below the lower there is room. */
const HIGH_DELAY_MS = 4;
const LOW_DELAY_MS = 2;
/** Between the two for so long: the queue may be our own, and is let run empty. */
const STANDING_MS = 5_000;
/** The first fall empties a short queue of our own. What stands after it is somebody else's, and so is a longer one. */
const FIRST_FALL = 0.85;
const FURTHER_FALL = 0.6;
const DEEPEST_FALL = 0.3;
/** Above it a fall is the deeper the longer the queue is. */
const OWN_DELAY_MS = 6;
/** What was too much counts for so long. */
const REMEMBERED_MS = 8_000;
const NEAR = 0.85;
/** Long, so that a queue of others that stands for minutes does not make "normal" fall from share to share. */
const CARRIED_MS = 600_000;

/** Reports are about the last fifth of a second (delay) or about all the time since the last one (loss). */
const DELAY_WINDOW_MS = 200;
/** What arrives was sent, and the change of a rate heard of, a little before. */
const ON_THE_WAY_MS = 50;
const FRESH_MS = 3_000;
/** So many hosts make a judgement; all, where there are fewer. */
const ENOUGH_HOSTS = 3;

/** Loss above that of the last minute at its best, plus what is chance among so many symbols. */
const EXCESS_LOSS = 0.02;
const LOSS_FALL = 0.7;
const LEAST_SYMBOLS = 200;
/** A fall that the least rate made so much smaller tells nothing. */
const TELLING_FALL = 0.9;
const BASE_LOSS_MS = 60_000;

type Host = {
  readonly at: number;
  readonly delayMs: number | undefined;
  readonly hasHeard: boolean;
  /** Since the last fall, or the last judgement of loss. */
  readonly symbols: number;
  readonly lost: number;
};

/**
 * How fast a stream may go now, by what its receivers report: the delay that datagrams have on their way, and their
 * loss. Pure: reports and times come in (milliseconds), a rate comes out (bytes per second on the wire).
 *
 * A room's word is that of its median host, the better one of two: what all have at the same time happens on the way
 * that they share, and one bad link is its own trouble.
 *
 *   * A standing queue (4 ms) makes it fall, first by so much that a queue of its own runs empty. What still stands
 *     then is somebody else's: "background" falls on, to a fiftieth; "normal" to a bit less than half of what the
 *     network carried lately, so that others can have the larger half.
 *   * Loss that is higher than it was makes it fall. If less is sent and just as much is lost, it is no congestion but
 *     a bad cable: the rate goes back, and so much loss counts as usual.
 *   * Else it rises: fast, but slowly from 85 % of the rate on that was too much in the last 8 seconds.
 */
export class RateControl {
  readonly #mode: RateMode;
  readonly #ceiling: number;
  readonly #least: number;
  readonly #hosts = new Map<string, Host>();
  #rate: number;
  #limit = Number.POSITIVE_INFINITY;
  #changedAt: number;
  #fellAt: number;
  /** The rate that was too much, and when. */
  #tooMuch: { readonly rate: number; readonly at: number } | undefined;
  #hasFallenForDelay = false;
  #standingSince: number | undefined;
  /** A fall because of loss that is still to be judged. */
  #trial: { readonly rateBefore: number; readonly lossBefore: number } | undefined;
  readonly #usualLoss = new Extreme(BASE_LOSS_MS, Math.min);
  readonly #carried = new Extreme(CARRIED_MS, Math.max);
  #why = "";

  /** @param options.usualLoss share of the datagrams that is lost before anything was sent, when that was measured */
  constructor(options: {
    readonly mode: RateMode;
    readonly ceilingBytesPerSecond: number;
    readonly now: number;
    readonly usualLoss?: number;
  }) {
    const { mode, ceilingBytesPerSecond, now, usualLoss = 0 } = options;
    this.#mode = mode;
    this.#ceiling = ceilingBytesPerSecond;
    this.#least = Math.min(this.#ceiling, Math.max(LEAST_BYTES_PER_SECOND, this.#ceiling * LEAST_SHARE));
    this.#rate = mode === "fixed" ? this.#ceiling : this.#within(this.#ceiling * manners[mode].start);
    this.#changedAt = now;
    this.#fellAt = now;
    this.#usualLoss.add(usualLoss, now);
  }

  /** What it would send at, if nobody else limited it. */
  get rateBytesPerSecond(): number {
    return this.#rate;
  }

  /** Why it is less than the ceiling, for people; empty when it is not. */
  get why(): string {
    return this.#rate < this.#ceiling ? this.#why : "";
  }

  /** Somebody else lets it send so much at most, for now: its rate does not run away from that. */
  limit(bytesPerSecond: number): void {
    this.#limit = bytesPerSecond;
  }

  /** The host is finished, or lost. */
  forget(host: string): void {
    this.#hosts.delete(host);
  }

  onReport(host: string, { symbolsReceived, symbolsLost, delayMs }: HostReport, now: number): void {
    if (this.#mode === "fixed") return;
    const before = this.#hosts.get(host);
    const heard = symbolsReceived + symbolsLost;
    // What was lost before the fall is not held against the rate since.
    const isSince = before !== undefined && before.at >= this.#fellAt + ON_THE_WAY_MS;
    const symbols = isSince ? before.symbols + heard : 0;
    const lost = isSince ? before.lost + symbolsLost : 0;
    this.#hosts.set(host, { at: now, delayMs, hasHeard: heard > 0, symbols, lost });
    this.#judge(now, manners[this.#mode]);
  }

  #judge(now: number, mine: Manners): void {
    const delayMs = this.#delay(now);
    const loss = this.#loss(now);
    if (loss !== undefined) {
      const isTooMuch = loss.share > this.#usualLoss.value(now) + EXCESS_LOSS + loss.chance;
      if (this.#trial !== undefined) this.#judgeTrial(this.#trial, loss.share, now);
      else if (isTooMuch) this.#fallForLoss(loss.share, now);
      else this.#noteCarried(loss.share, now);
    }
    // Nobody knows yet what the last change did.
    if (this.#trial !== undefined || delayMs === undefined || now === this.#changedAt) return;
    if (delayMs >= HIGH_DELAY_MS) this.#fallForDelay(delayMs, mine, now);
    else if (delayMs >= LOW_DELAY_MS) this.#stand(delayMs, now);
    else this.#rise(delayMs, mine, now);
  }

  #noteCarried(lossShare: number, now: number): void {
    this.#countLossAnew();
    this.#usualLoss.add(lossShare, now);
    this.#carried.add(this.#sent * (1 - lossShare), now);
  }

  /** What is really sent. */
  get #sent(): number {
    return Math.min(this.#rate, this.#limit);
  }

  #fallForDelay(delayMs: number, mine: Manners, now: number): void {
    const most = this.#hasFallenForDelay ? FURTHER_FALL : FIRST_FALL;
    const share = Math.max(DEEPEST_FALL, Math.min(most, OWN_DELAY_MS / delayMs));
    const beside = mine.leastBeside * (this.#carried.value(now) || this.#ceiling);
    this.#tooMuch = { rate: (this.#hasFallenForDelay ? this.#tooMuch?.rate : undefined) ?? this.#sent, at: now };
    this.#hasFallenForDelay = true;
    this.#standingSince = undefined;
    this.#why = `datagrams wait ${delayMs.toFixed(0)} ms on their way: others use the network`;
    if (this.#sent > beside) this.#fall(Math.max(beside, this.#sent * share), now);
  }

  #stand(delayMs: number, now: number): void {
    this.#standingSince ??= now;
    if (now - this.#standingSince < STANDING_MS) return;
    this.#standingSince = undefined;
    this.#why = `datagrams wait ${delayMs.toFixed(0)} ms on their way`;
    this.#fall(this.#sent * FIRST_FALL, now);
  }

  #rise(delayMs: number, { riseFar, riseNear }: Manners, now: number): void {
    this.#hasFallenForDelay = false;
    this.#standingSince = undefined;
    const { rate = Number.POSITIVE_INFINITY, at = now } = this.#tooMuch ?? {};
    const isRemembered = now < at + REMEMBERED_MS;
    const isNear = isRemembered && this.#sent >= rate * NEAR;
    // The less room is left, the more slowly: so it comes to rest before the mark.
    const room = 1 - delayMs / LOW_DELAY_MS;
    const rise = 1 + ((isNear ? riseNear : riseFar) - 1) * room;
    const most = isRemembered && !isNear ? rate * NEAR : this.#ceiling;
    if (!isRemembered) this.#why = "";
    this.#change(this.#within(Math.min(this.#sent * rise, most)), now);
  }

  #fallForLoss(share: number, now: number): void {
    this.#trial = { rateBefore: this.#sent, lossBefore: share };
    this.#tooMuch = { rate: this.#sent * (1 - share), at: now };
    this.#why = `${(share * 100).toFixed(0)} % of the datagrams are lost on the way`;
    // Below what came through: so the queue that lost them runs empty.
    this.#fall(this.#sent * Math.min(LOSS_FALL, (1 - share) * FIRST_FALL), now);
  }

  // Congestion lets through as much as before. A bad cable loses the same share of less.
  #judgeTrial(
    { rateBefore, lossBefore }: { rateBefore: number; lossBefore: number },
    share: number,
    now: number,
  ): void {
    this.#trial = undefined;
    this.#countLossAnew();
    const ofCongestion = Math.max(0, 1 - ((1 - lossBefore) * rateBefore) / this.#sent);
    const isTelling = this.#sent <= rateBefore * TELLING_FALL;
    if (isTelling && share <= (ofCongestion + lossBefore) / 2) return;
    this.#usualLoss.restart(share, now);
    this.#tooMuch = undefined;
    this.#change(this.#within(rateBefore), now);
  }

  #fall(rate: number, now: number): void {
    this.#change(this.#within(rate), now);
    this.#fellAt = now;
    this.#countLossAnew();
  }

  #countLossAnew(): void {
    for (const [id, host] of this.#hosts) this.#hosts.set(id, { ...host, symbols: 0, lost: 0 });
  }

  #change(rate: number, now: number): void {
    if (rate === this.#rate) return;
    this.#rate = rate;
    this.#changedAt = now;
  }

  #within(rate: number): number {
    return Math.max(this.#least, Math.min(this.#ceiling, rate));
  }

  /** The median of those who speak about the rate as it is now; undefined when too few do. */
  #delay(now: number): number | undefined {
    const from = this.#changedAt + ON_THE_WAY_MS + DELAY_WINDOW_MS;
    // Who hears the stream and says nothing of a delay cannot measure it: then loss alone decides.
    const delays = this.#fresh(now)
      .filter(({ at, delayMs, hasHeard }) => at >= from && (delayMs !== undefined || hasHeard))
      .map(({ delayMs = 0 }) => delayMs);
    return this.#isEnough(delays.length, now) ? median(delays) : undefined;
  }

  #loss(now: number): { readonly share: number; readonly chance: number } | undefined {
    const hosts = this.#fresh(now).filter(({ symbols }) => symbols >= LEAST_SYMBOLS);
    if (!this.#isEnough(hosts.length, now)) return undefined;
    const usual = Math.max(0.01, this.#usualLoss.value(now));
    const symbols = median(hosts.map((host) => host.symbols));
    const share = median(hosts.map((host) => host.lost / host.symbols));
    return { share, chance: 3 * Math.sqrt((usual * (1 - usual)) / symbols) };
  }

  #isEnough(count: number, now: number): boolean {
    return count > 0 && count >= Math.min(ENOUGH_HOSTS, this.#fresh(now).length);
  }

  #fresh(now: number): Host[] {
    return [...this.#hosts.values()].filter(({ at }) => at >= now - FRESH_MS);
  }
}

/** The least or the greatest value of a time, in tenths of it. */
class Extreme {
  readonly #ms: number;
  readonly #of: (one: number, other: number) => number;
  #kept: { readonly at: number; readonly value: number }[] = [];

  constructor(ms: number, of: (one: number, other: number) => number) {
    this.#ms = ms;
    this.#of = of;
  }

  add(value: number, now: number): void {
    const last = this.#kept.at(-1);
    if (last === undefined || now >= last.at + this.#ms / 10) this.#kept.push({ at: now, value });
    else this.#kept[this.#kept.length - 1] = { at: last.at, value: this.#of(last.value, value) };
  }

  restart(value: number, now: number): void {
    this.#kept = [{ at: now, value }];
  }

  /** 0 when there is none. The last one stays however old it is. */
  value(now: number): number {
    while (this.#kept.length > 1 && this.#kept[0]!.at < now - this.#ms) this.#kept.shift();
    return this.#kept.reduce((extreme, { value }) => this.#of(extreme, value), this.#kept[0]?.value ?? 0);
  }
}

/** The lower one of the two in the middle. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[(sorted.length - 1) >> 1]!;
}
