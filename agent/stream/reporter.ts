import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import type { CanaryCount } from "../../multicast/canary-burst.ts";
import { coarseMap } from "../../multicast/missing-map.ts";
import type { StreamReceiver } from "../../multicast/receiver.ts";
import { type Join, type Joined, MOST_NEEDS, type Progress, type StreamState } from "../contract.ts";
import type { StreamControl } from "./control.ts";

const REPORT_EVERY_MS = 1_000;
/** A map of what is missing costs a look at every block. */
const MAP_EVERY_MS = 2_000;
const LAST_REPORT_TRIES = 3;
/** The end of a restore does not wait longer than this for a server that does not answer. */
const LAST_REPORT_WITHIN_MS = 5_000;

export type ReportedState = Progress["state"];

/** What is reported of: a receiver, or whoever stands for one. */
export type Reported = Pick<StreamReceiver, "datagramsReceived" | "datagramsLost" | "packsDone" | "neededBlocks"> & {
  feedbackEveryMs: number;
  readonly delayMs?: number | undefined;
  takeCanaries?(): CanaryCount | undefined;
  isServedByUnicast?: boolean;
};

/** The server's word that the stream is another one in all but its content: its description is to be asked for again. */
export function isDescribedAnew(error: unknown): error is Fault {
  return error instanceof Fault && error.code === "STREAM_DESCRIBED_ANEW";
}

/** Tells the server every second how the restore is going, and hears from it what the stream does. */
export class Reporter {
  readonly #control: StreamControl;
  readonly #streamId: string;
  readonly #receiver: Reported;
  readonly #packsTotal: number;
  readonly #log: Logger;
  #join: Join | undefined;
  #joined: Joined | undefined;
  #joinedAt = 0;
  #state: ReportedState = "joined";
  #streamState: StreamState = "open";
  #waitingFor = "";
  #asideWhy = "";
  #isServedByUnicast = false;
  #lastFault: Fault | undefined;
  #everyMs = REPORT_EVERY_MS;
  #mapSaidAt = Number.NEGATIVE_INFINITY;
  #receivedReported = 0;
  #lostReported = 0;
  #timer: NodeJS.Timeout | undefined;
  #reporting: Promise<void> = Promise.resolve();
  #isStopped = false;
  /** Whether the group arrived before this machine asked for it; undefined: not known. */
  isFlooded: boolean | undefined;
  /** Whether nothing comes of a stream of large frames. */
  lacksFrames: () => boolean = () => false;
  /** The stream goes by another description from now on; nothing more is reported. */
  onDescribedAnew: (fault: Fault) => void = () => undefined;
  /** How the disk does since the last time; nothing before anything is written. */
  takeDiskUse: () => Pick<Progress, "waitsForDisk" | "writeBytesPerSecond"> = () => ({});

  constructor(control: StreamControl, streamId: string, receiver: Reported, packsTotal: number, log: Logger) {
    this.#control = control;
    this.#streamId = streamId;
    this.#receiver = receiver;
    this.#packsTotal = packsTotal;
    this.#log = log;
  }

  get streamState(): StreamState {
    return this.#streamState;
  }

  /** What the stream waits for, "1 of 2 hosts ready"; empty while it runs. */
  get waitingFor(): string {
    return this.#waitingFor;
  }

  /** Why this receiver is not served with the others; empty while it is. */
  get asideWhy(): string {
    return this.#asideWhy;
  }

  /** Why the server could not be asked the last time; undefined when it could. */
  get lastFault(): Fault | undefined {
    return this.#lastFault;
  }

  noteFault(fault: Fault): void {
    this.#lastFault = fault;
  }

  /** What the server said when this receiver joined; undefined before. */
  get joined(): Joined | undefined {
    return this.#joined;
  }

  /** When it joined the last time, by `performance.now`. */
  get joinedAt(): number {
    return this.#joinedAt;
  }

  /** Whether the server says that what is missing is to be fetched. */
  get isServedByUnicast(): boolean {
    return this.#isServedByUnicast;
  }

  /** Joins the stream; throws when the server cannot be reached. */
  async start(join: Join): Promise<void> {
    this.#joined = await this.#control.join(this.#streamId, join);
    this.#joinedAt = performance.now();
    this.#join = join;
    await this.#report(this.#state);
    this.#schedule();
  }

  /** Reports a new state at once. */
  say(state: ReportedState): void {
    if (state === this.#state) return;
    this.#state = state;
    clearTimeout(this.#timer);
    this.#tick();
  }

  /** The last word: how it ended. */
  async stop(state: ReportedState): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    const deadline = new AbortController();
    await Promise.race([
      this.#lastWord(state),
      sleep(LAST_REPORT_WITHIN_MS, undefined, { signal: deadline.signal }).catch(() => undefined),
    ]);
    deadline.abort();
  }

  async #lastWord(state: ReportedState): Promise<void> {
    await this.#reporting;
    if (this.#joined === undefined) return;
    for (let tries = 0; tries < LAST_REPORT_TRIES; tries += 1) {
      await this.#report(state);
      if (this.#lastFault === undefined) return;
    }
  }

  #schedule(): void {
    // A word in between has its own: only one may run, or it would speak after the last word.
    clearTimeout(this.#timer);
    if (!this.#isStopped) this.#timer = setTimeout(() => this.#tick(), this.#everyMs);
  }

  #tick(): void {
    clearTimeout(this.#timer);
    this.#reporting = this.#reporting.then(() => this.#report(this.#state)).finally(() => this.#schedule());
  }

  async #report(state: ReportedState): Promise<void> {
    try {
      await this.#tell(state).catch(async (error: unknown) => {
        if (!(error instanceof Fault && error.code === "RECEIVER_UNKNOWN")) throw error;
        await this.#joinAgain();
        await this.#tell(state);
      });
      this.#lastFault = undefined;
    } catch (error) {
      if (isDescribedAnew(error)) this.#onDescribedAnew(error);
      // The stream may go on without its control connection; the silence deadline decides.
      this.#lastFault = error instanceof Fault ? error : undefined;
      this.#log.debug({ error }, "the server could not be told the progress");
    }
  }

  async #tell(state: ReportedState): Promise<void> {
    const { datagramsReceived, datagramsLost, packsDone, delayMs } = this.#receiver;
    const canary = this.#receiver.takeCanaries?.();
    const answer = await this.#control.report(this.#streamId, this.#joined?.receiverId ?? "", {
      state,
      packsDone,
      packsTotal: this.#packsTotal,
      symbolsReceived: datagramsReceived - this.#receivedReported,
      symbolsLost: Math.max(0, datagramsLost - this.#lostReported),
      ...(canary === undefined ? {} : { canary }),
      ...(this.isFlooded === undefined ? {} : { isFlooded: this.isFlooded }),
      ...(delayMs === undefined ? {} : { delayMs }),
      ...(this.lacksFrames() ? { lacksFrames: true } : {}),
      ...this.takeDiskUse(),
      ...this.#map(state),
    });
    this.#receivedReported = datagramsReceived;
    // What was lost may arrive late after all; what was said of it is not taken back, but not said twice either.
    this.#lostReported = Math.max(this.#lostReported, datagramsLost);
    this.#receiver.feedbackEveryMs = answer.feedbackEveryMs;
    this.#everyMs = answer.reportEveryMs ?? REPORT_EVERY_MS;
    this.#streamState = answer.streamState;
    this.#waitingFor = answer.waitingFor;
    this.#isServedByUnicast = answer.isServedByUnicast === true;
    this.#receiver.isServedByUnicast = this.#isServedByUnicast;
    this.#asideWhy = answer.why ?? "";
  }

  // The receiver that the server knew is no more, so it gets no last word.
  #onDescribedAnew(fault: Fault): void {
    this.#isStopped = true;
    this.#joined = undefined;
    this.onDescribedAnew(fault);
  }

  // Every two seconds, and in the last word.
  #map(state: ReportedState): Pick<Progress, "missing"> {
    const now = performance.now();
    if (now - this.#mapSaidAt < MAP_EVERY_MS && state === this.#state) return {};
    this.#mapSaidAt = now;
    return { missing: coarseMap(this.#receiver.neededBlocks()) };
  }

  // The server was restarted: its stream goes on, but it forgot who listens. A stream that nobody listens to is not sent.
  async #joinAgain(): Promise<void> {
    if (this.#join === undefined) return;
    const join = { ...this.#join, needs: coarseMap(this.#receiver.neededBlocks(), MOST_NEEDS) };
    this.#joined = await this.#control.join(this.#streamId, join);
    this.#joinedAt = performance.now();
    // What the new receiver counts begins with all that came so far.
    this.#receivedReported = 0;
    this.#lostReported = 0;
    this.#mapSaidAt = Number.NEGATIVE_INFINITY;
    this.#log.info({ stream: this.#streamId }, "the server forgot this receiver; joined again");
  }
}
