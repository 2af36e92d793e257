import type { BurstResult } from "../../multicast/canary-burst.ts";
import type { Pace } from "../../multicast/pacer.ts";
import { RateControl, type RateMode } from "../../multicast/rate-control.ts";
import { reportIntervalMs } from "../../multicast/report-interval.ts";
import type { HostReport } from "../../multicast/room-reports.ts";
import type { Receiver } from "../../multicast/roster.ts";
import type { BudgetShare } from "./budget.ts";
import type { SharedInterface } from "./interface-budgets.ts";
import type { InterfaceTraffic } from "./interface-traffic.ts";

/** While nothing but canaries is sent. */
const IDLE_BYTES_PER_SECOND = 256_000;

/** After a pack that was fetched by unicast, the next one is expected for so long. */
const FETCHED_MS = 2_000;

/** How fast a stream goes now: what its receivers' reports allow, and what the streams beside it leave. */
export class StreamRate {
  readonly mode: RateMode;
  readonly #control: RateControl;
  readonly #ceiling: number;
  readonly #share: BudgetShare;
  readonly #traffic: InterfaceTraffic;
  #pace: Pace;
  #granted = 0;
  /** What those who are served can take. */
  #receiversMost = Number.POSITIVE_INFINITY;
  #isStreaming = false;
  /** Packs went by unicast lately. */
  #isFetched = false;
  #fetchTimer: NodeJS.Timeout | undefined;
  #active = 0;

  constructor(options: {
    readonly mode: RateMode;
    readonly ceilingBytesPerSecond: number;
    readonly pace: Pace;
    readonly shared: SharedInterface;
    readonly now: number;
  }) {
    const { mode, ceilingBytesPerSecond, pace, shared, now } = options;
    this.mode = mode;
    this.#traffic = shared.traffic;
    this.#ceiling = ceilingBytesPerSecond;
    this.#pace = pace;
    this.#control = new RateControl({ mode, ceilingBytesPerSecond, now });
    this.#share = shared.budget.join((bytesPerSecond) => {
      this.#granted = bytesPerSecond;
      this.#pace.setRate(bytesPerSecond);
    });
    this.#ask();
  }

  /** The stream goes on by another sender. */
  set pace(pace: Pace) {
    this.#pace = pace;
    pace.setRate(this.#granted);
  }

  /** Most bytes per second on the wire, now. */
  get bytesPerSecond(): number {
    return this.#granted;
  }

  /** Why it is less than it may be, for people; empty when it is not. */
  get why(): string {
    if (!this.#isStreaming) return "";
    const wanted = this.#control.rateBytesPerSecond;
    if (this.#receiversMost < wanted) return "the links of those who are left take no more";
    return this.#granted < wanted ? "other streams share the interface" : this.#control.why;
  }

  /** How often receivers are to report: the fewer, the more often; the rate goes by it. */
  get reportEveryMs(): number {
    return reportIntervalMs(this.mode, this.#active);
  }

  /** @param isStreaming more than canaries is sent */
  onState(isStreaming: boolean): void {
    this.#isStreaming = isStreaming;
    this.#ask();
  }

  /** @param voice of its reports */
  onReceiver(voice: string, { state, aside }: Receiver, active: number): void {
    this.#active = active;
    if ((state !== "ready" && state !== "receiving") || aside !== undefined) this.#control.forget(voice);
  }

  /** @param voice who says it: those who have the same are one */
  onReport(voice: string, report: HostReport, now: number): void {
    if (!this.#isStreaming) return;
    this.#control.limit(this.#granted);
    this.#control.onReport(voice, report, now);
    const others = this.#traffic.others(now);
    if (others !== undefined) this.#control.onOthers(others, now);
    this.#ask();
  }

  /** So much of this stream left the card, by the group or by unicast. */
  onSent(bytes: number): void {
    this.#traffic.addOwn(bytes);
  }

  /** What was lost before the first symbol, at the rate that was begun with. */
  onBurst(burst: BurstResult, now: number): void {
    this.#control.limit(this.#granted);
    this.#control.onBurst(burst, now);
    this.#ask();
  }

  /** @param bytesPerSecond most that those who are served now can take; Infinity: not known to be few */
  limit(bytesPerSecond: number): void {
    if (bytesPerSecond === this.#receiversMost) return;
    this.#receiversMost = bytesPerSecond;
    this.#ask();
  }

  /**
   * Somebody fetches a pack by unicast: that is of the same rate and the same budget, also while the group is quiet.
   *
   * @returns most bytes per second on the wire, now
   */
  onUnicast(): number {
    clearTimeout(this.#fetchTimer);
    this.#isFetched = true;
    this.#fetchTimer = setTimeout(() => {
      this.#isFetched = false;
      this.#ask();
    }, FETCHED_MS).unref();
    this.#ask();
    return this.#granted;
  }

  /** Its share is for others. What is still fetched afterwards is little. */
  close(): void {
    clearTimeout(this.#fetchTimer);
    this.#granted = this.#ceiling;
    this.#share.close();
  }

  #ask(): void {
    const idle = Math.min(this.#ceiling, IDLE_BYTES_PER_SECOND);
    const isSending = this.#isStreaming || this.#isFetched;
    this.#share.want(isSending ? Math.min(this.#control.rateBytesPerSecond, this.#receiversMost) : idle);
  }
}
