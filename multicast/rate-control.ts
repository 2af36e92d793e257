import type { BurstResult } from "./canary-burst.ts";
import { Extreme } from "./extreme.ts";
import { chanceOf, type HostReport, RoomReports } from "./room-reports.ts";
import { Yielding } from "./yielding.ts";

/** "fixed": always the ceiling. "normal": shares. "background": leaves everything to others. */
export const rateModes = ["fixed", "normal", "background"] as const;
export type RateMode = (typeof rateModes)[number];

type Manners = {
  /** The share of the ceiling that is begun with. */
  readonly start: number;
  /**
   * Against others that let queues stand: no less than this share of what the network has lately carried. What a TCP flow
   * keeps in a queue (128 kB) takes the longer to leave it the less of the link is left to it: with 45 % for the stream
   * 19 ms instead of 10 at 100 Mbit/s, with 27 % 14 ms.
   */
  readonly leastBeside: number;
  /** A rise while nothing is in the way, and near the rate that was too much lately. */
  readonly riseFar: number;
  readonly riseNear: number;
};

const manners: Readonly<Record<Exclude<RateMode, "fixed">, Manners>> = {
  normal: { start: 0.5, leastBeside: 0.27, riseFar: 1.5, riseNear: 1.02 },
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

/** Loss above that of the last minute at its best, plus what is chance among so many symbols. */
const EXCESS_LOSS = 0.02;
const LOSS_FALL = 0.7;
/** A fall that the least rate made so much smaller tells nothing. */
const TELLING_FALL = 0.9;
const BASE_LOSS_MS = 60_000;

/**
 * How fast a stream may go now, by what its receivers report: the delay that datagrams have on their way, and their
 * loss. Pure: reports and times come in (milliseconds), a rate comes out (bytes per second on the wire).
 *
 * It goes by the room's word, that of its median host (RoomReports).
 *
 *   * A standing queue (4 ms) makes it fall, first by so much that a queue of its own runs empty. What still stands
 *     then is somebody else's: "background" falls on, to a fiftieth; "normal" to a bit less than a third of what
 *     the network carried lately, so that others can have the larger part.
 *   * Loss that is higher than it was makes it fall. If less is sent and just as much is lost, it is no congestion but
 *     a bad cable: the rate goes back, and so much loss counts as usual.
 *   * "background" makes room for what else leaves the server's card, when that takes it (Yielding).
 *   * Else it rises: fast, but slowly from 85 % of the rate on that was too much in the last 8 seconds.
 */
export class RateControl {
  readonly #mode: RateMode;
  readonly #ceiling: number;
  readonly #least: number;
  readonly #reports: RoomReports;
  #rate: number;
  #limit = Number.POSITIVE_INFINITY;
  #changedAt: number;
  /** The rate that was too much, and when. */
  #tooMuch: { readonly rate: number; readonly at: number } | undefined;
  #hasFallenForDelay = false;
  #standingSince: number | undefined;
  /** A fall because of loss that is still to be judged. */
  #trial: { readonly rateBefore: number; readonly lossBefore: number } | undefined;
  readonly #usualLoss = new Extreme(BASE_LOSS_MS, Math.min);
  readonly #carried = new Extreme(CARRIED_MS, Math.max);
  readonly #yielding = new Yielding();
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
    this.#reports = new RoomReports(now);
    this.#usualLoss.add(usualLoss, now);
  }

  /** What it would send at, if nobody else limited it. */
  get rateBytesPerSecond(): number {
    return this.#yielding.isAway ? this.#least : this.#rate;
  }

  /** Why it is less than the ceiling, for people; empty when it is not. */
  get why(): string {
    if (this.#yielding.isAway) return "others send through the same network card";
    return this.#rate < this.#ceiling ? this.#why : "";
  }

  /** Somebody else lets it send so much at most, for now: its rate does not run away from that. */
  limit(bytesPerSecond: number): void {
    this.#limit = bytesPerSecond;
  }

  /** The host is finished, or lost. */
  forget(host: string): void {
    this.#reports.forget(host);
  }

  /**
   * The burst before the first symbol went at the rate that is begun with. What is lost of it beyond chance makes it fall,
   * and is then tried out as any loss.
   */
  onBurst(
    { answered, datagrams, lossShare }: Pick<BurstResult, "answered" | "datagrams" | "lossShare">,
    now: number,
  ): void {
    if (this.#mode === "fixed" || answered === 0 || this.#trial !== undefined) return;
    const usual = this.#usualLoss.value(now);
    if (lossShare > usual + EXCESS_LOSS + chanceOf(usual, datagrams)) this.#fallForLoss(lossShare, now);
  }

  onReport(host: string, report: HostReport, now: number): void {
    if (this.#mode === "fixed") return;
    this.#reports.add(host, report, now);
    this.#judge(now, manners[this.#mode]);
  }

  /** @param others what everybody else sends through the same card: the mean of the last second */
  onOthers(others: number, now: number): void {
    if (this.#mode !== "background") return;
    const wasAway = this.#yielding.isAway;
    const answer = this.#yielding.onOthers({ rate: this.#sent, least: this.#least, others }, now);
    // Who comes back rises from the least rate, unless nobody had been in need of what was left.
    if (answer.verdict === "back") this.#change(this.#within(answer.rateBefore), now);
    else if (wasAway && !this.#yielding.isAway) this.#fall(this.#least, now);
  }

  #judge(now: number, mine: Manners): void {
    if (this.#yielding.isAway) return;
    const delayMs = this.#reports.delayMs(this.#changedAt, now);
    const loss = this.#reports.loss(this.#usualLoss.value(now), now);
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
    this.#reports.countLossAnew();
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
    this.#reports.countLossAnew();
    const ofCongestion = Math.max(0, 1 - ((1 - lossBefore) * rateBefore) / this.#sent);
    const isTelling = this.#sent <= rateBefore * TELLING_FALL;
    if (isTelling && share <= (ofCongestion + lossBefore) / 2) return;
    this.#usualLoss.restart(share, now);
    this.#tooMuch = undefined;
    this.#change(this.#within(rateBefore), now);
  }

  #fall(rate: number, now: number): void {
    this.#change(this.#within(rate), now);
    this.#reports.onFall(now);
  }

  #change(rate: number, now: number): void {
    if (rate === this.#rate) return;
    this.#rate = rate;
    this.#changedAt = now;
  }

  #within(rate: number): number {
    return Math.max(this.#least, Math.min(this.#ceiling, rate));
  }
}
