import { Canaries, type CanaryOrTime } from "./canaries.ts";
import type { Feedback } from "./feedback.ts";
import { Holds } from "./holds.ts";
import { LastWords } from "./last-words.ts";
import type { StreamLayout } from "./layout.ts";
import type { Pace } from "./pacer.ts";
import { FRAME_BYTES, PACKET_HEADER_BYTES } from "./packet.ts";
import { Room } from "./room.ts";
import type { Receiver, ReceiverReport } from "./roster.ts";
import type { SenderAction, SenderEvent, SenderOptions, SenderState } from "./sender-words.ts";
import { StartWatch } from "./start-watch.ts";
import { type NextSymbols, SymbolOrder } from "./symbol-order.ts";
import { wordsAfterEnd, wordsWhileStreaming } from "./waiting-words.ts";

export type { Receiver } from "./roster.ts";
export type { SenderAction, SenderEvent, SenderOptions, SenderState } from "./sender-words.ts";

/**
 * The server can hear so many requests a second, whatever the number of hosts: each may speak so much less often. 71 a
 * second at the start, when all have something to ask at once, and by chance some more.
 */
const FEEDBACK_MS_A_HOST = 14;
const FEEDBACK_LEAST_MS = 20;
const noEvents: readonly SenderEvent[] = [];

/**
 * Decides what a stream sends and when it starts, loops and ends.
 *
 *     open ──enough are ready──► streaming ──(once) nobody asks any more──► ended ──all reported──► over
 *       ▲                            │
 *       └── (loop) nobody is left ───┘
 *
 * What goes in which order is SymbolOrder's. When nothing is left to send,
 * canaries ask who still lacks something.
 *
 * Nothing is sent before the first receiver has joined and after the last one
 * is finished. A receiver that is done costs nothing. It owns no socket and no
 * clock: the caller polls it, sends what it says, and brings the receivers'
 * words and the time (milliseconds).
 */
export class SenderSession {
  readonly #layout: StreamLayout;
  readonly #pacer: Pace;
  readonly #options: SenderOptions;
  readonly #room: Room;
  readonly #startWatch: StartWatch;
  #events: SenderEvent[] = [];
  #state: SenderState = "open";
  #overReason: string | undefined;
  #hasStreamed = false;
  readonly #lastWords: LastWords;
  #sequence: number;
  readonly #order: SymbolOrder;
  /** Passes that were sent to nobody. */
  #idlePasses = 0;
  readonly #canaries: Canaries;
  readonly #holds = new Holds();

  constructor(layout: StreamLayout, pacer: Pace, options: SenderOptions) {
    this.#layout = layout;
    this.#pacer = pacer;
    this.#options = options;
    this.#sequence = options.firstSequence;
    this.#lastWords = new LastWords(options.idleEndMs);
    this.#room = new Room(options.once, PACKET_HEADER_BYTES + layout.symbolBytes + FRAME_BYTES, options.isOneByUnicast);
    this.#canaries = new Canaries(this.#room, pacer);
    this.#startWatch = new StartWatch(this.#room, options);
    this.#order = new SymbolOrder(layout, { once: options.once, onPassEnd: (pass) => this.#onPassEnd(pass) });
  }

  get state(): SenderState {
    return this.#state;
  }

  /** It has started, and somebody holds it. */
  get isHeld(): boolean {
    return this.#state === "streaming" && this.#holds.isHeld;
  }

  /** It would send more than canaries now, if the wire were free. */
  get hasSymbolsToSend(): boolean {
    if (this.#state !== "streaming" || this.#holds.isHeld || this.#room.isOneByUnicast) return false;
    return this.#order.hasWork;
  }

  get isOver(): boolean {
    return this.#overReason !== undefined;
  }

  /** Datagrams sent so far, of all kinds; wraps at 32 bits. */
  get sentDatagrams(): number {
    return (this.#sequence - this.#options.firstSequence) >>> 0;
  }

  /** Which pass goes on, or comes next: 1 is the first. */
  get pass(): number {
    return this.#order.pass;
  }

  get receivers(): readonly Receiver[] {
    return this.#room.receivers;
  }

  /** What the stream waits for, for people: "1 of 2 hosts ready", why it is held; empty when it waits for nothing. */
  get waitingFor(): string {
    if (this.isOver) return "";
    if (this.#state === "streaming") return wordsWhileStreaming(this.#holds.reasons, this.#canaries.isInBurst);
    if (this.#state === "ended") return wordsAfterEnd(this.#room.active, this.#room.size);
    return this.#startWatch.waitingFor;
  }

  /** Undefined when there is no such receiver. */
  receiver(id: string): Receiver | undefined {
    return this.#room.get(id);
  }

  /** Most bytes a second that those who are served now can take, all headers counted; Infinity: not known to be few. */
  get rateCeilingBytesPerSecond(): number {
    return this.#room.rateCeilingBytesPerSecond;
  }

  /** How often each receiver may ask for repairs. */
  get feedbackEveryMs(): number {
    return Math.max(FEEDBACK_LEAST_MS, this.#room.active * FEEDBACK_MS_A_HOST);
  }

  /**
   * @param id chosen by the caller, hard to guess
   * @param needs runs of blocks [first, count] that it lacks; all unless told
   * @returns false when the stream has as many receivers as it can
   */
  join(
    id: string,
    name: string,
    hostId: string | undefined,
    now: number,
    needs: readonly (readonly [number, number])[] = [[0, this.#layout.blockCount]],
  ): boolean {
    const receiver = this.#room.join({ id, name, hostId, packsTotal: this.#layout.packCount }, now);
    if (receiver === undefined) return false;
    this.#order.needRuns(needs);
    this.#lastWords.onFurther(now);
    this.#events.push({ type: "receiver", receiver });
    return true;
  }

  /** False when there is no such receiver. One that was lost and reports again is back. */
  report(id: string, report: ReceiverReport, now: number): boolean {
    const change = this.#room.report(id, report, now);
    if (change === undefined) return false;
    const { before, receiver } = change;
    this.#canaries.onReport(id, report.canary);
    if (receiver.packsDone > before.packsDone || receiver.state !== before.state) this.#lastWords.onFurther(now);
    this.#startWatch.onReport(receiver.state, now);
    if (receiver.state !== before.state) this.#events.push({ type: "receiver", receiver });
    if (!this.#room.isActive(id)) this.#order.onReceiverLeft();
    return true;
  }

  /**
   * A receiver's request for repairs. False when nobody asked who takes part and is served now.
   *
   * @param addressOf from where a receiver takes part, by its id: those of one address are heard as often as one. Each
   * has its own unless told.
   */
  onFeedback({ receiver, newest, wishes }: Feedback, now: number, addressOf = (id: string) => id): boolean {
    if (this.#state !== "streaming") return false;
    const named = wishes.reduce((sum, { count }) => sum + count, 0);
    if (!this.#room.hears(receiver, Math.min(named, this.#layout.blockCount), now, addressOf)) return false;
    this.#order.onWishes(wishes, newest, now);
    return true;
  }

  /** Ends the stream; receivers are told at their next report and may still fetch by unicast. */
  stop(reason: string): void {
    if (this.isOver) return;
    this.#enter("ended", reason);
    this.#overReason = reason;
  }

  /** No more hosts than these can come any more; it starts as soon as they are ready. */
  expectAtMost(hosts: number): void {
    this.#startWatch.expectAtMost(hosts);
  }

  /** Starts now, with the receivers that are there. */
  startNow(reason: string): void {
    if (this.#state === "open") this.#start(reason);
  }

  /**
   * While somebody holds the stream, canaries are all that is sent: so the receivers go on waiting. It goes on where it
   * was when all who held it have let go.
   *
   * @param reason for people
   * @returns lets go; nothing happens the second time
   */
  hold(reason: string): (now: number) => void {
    const letGo = this.#holds.add(reason);
    return (now) => {
      if (letGo()) this.#order.onPause(now);
    };
  }

  takeEvents(): readonly SenderEvent[] {
    if (this.#events.length === 0) return noEvents;
    const events = this.#events;
    this.#events = [];
    return events;
  }

  poll(now: number): SenderAction {
    if (this.#overReason !== undefined) return { type: "over", reason: this.#overReason };
    this.#look(now);
    if (this.#state === "open") this.#startWhenReady(now);
    if (this.#state === "streaming") this.#endWhenNobodyIsLeft();
    switch (this.#state) {
      case "open":
        return this.#sendOrWait(this.#canaries.whileWaiting(now), now);
      case "streaming":
        return this.#nextSymbol(now);
      case "ended":
        return this.#end(now);
    }
  }

  #startWhenReady(now: number): void {
    const reason = this.#startWatch.reason(this.#hasStreamed, now);
    if (reason !== undefined) this.#start(reason);
  }

  #start(reason: string): void {
    const { burst } = this.#options;
    if (!this.#hasStreamed && burst !== undefined) this.#canaries.beginBurst(burst);
    this.#hasStreamed = true;
    this.#enter("streaming", reason);
  }

  #endWhenNobodyIsLeft(): void {
    if (this.#room.active > 0) {
      this.#idlePasses = 0;
      return;
    }
    const { once, loopSuspend = 0 } = this.#options;
    if (!once && this.#idlePasses < loopSuspend && this.#layout.symbolCount > 0) {
      if (this.#order.isBetweenPasses) this.#order.needAll();
      return;
    }
    this.#canaries.dropBurst();
    this.#order.clear();
    if (once) this.#enter("ended", "no receiver is left");
    else this.#enter("open", "no receiver is left");
  }

  #nextSymbol(now: number): SenderAction {
    // An image of nothing but zeros has no packs and no symbols; its receivers need none.
    if (this.#layout.symbolCount === 0 || this.#holds.isHeld)
      return this.#sendOrWait(this.#canaries.whileWaiting(now), now);
    const readyAt = this.#pacer.readyAt(now);
    if (readyAt > now) return { type: "wait", until: readyAt };
    const ofBurst = this.#canaries.ofBurst(now);
    if (typeof ofBurst === "object" && "answered" in ofBurst) this.#events.push({ type: "burst", result: ofBurst });
    else if (ofBurst !== undefined) return this.#sendOrWait(ofBurst, now);
    if (this.#room.isOneByUnicast) return this.#sendOrWait(this.#canaries.whileWaiting(now), now);
    const most = this.#pacer.most?.() ?? 1;
    const next = this.#order.next(this.#sequence, most, this.feedbackEveryMs, now);
    return next === undefined ? this.#nextOfTail(now) : this.#send(next, now);
  }

  #onPassEnd(pass: number): void {
    if (this.#room.active === 0) this.#idlePasses += 1;
    this.#events.push({ type: "pass", pass });
  }

  // Everything was sent: who still lacks something says so, or all are done soon.
  #nextOfTail(now: number): SenderAction {
    if (this.#options.once && this.#order.isQuiet(this.feedbackEveryMs, now)) {
      this.#lastWords.onFurther(now);
      this.#enter("ended", "the pass is over");
      return this.#end(now);
    }
    return this.#sendOrWait(
      this.#canaries.ofTail(() => this.#order.tailCanary(now), now),
      now,
    );
  }

  #end(now: number): SenderAction {
    const action = this.#lastWords.next(this.#room.active, now);
    if (action.type === "over") this.#overReason = action.reason;
    return action;
  }

  #sendOrWait(next: CanaryOrTime, now: number): SenderAction {
    return typeof next === "number" ? { type: "wait", until: next } : this.#send(next, now);
  }

  #send(next: NextSymbols, now: number): SenderAction {
    for (let taken = 0; taken < next.count; taken += 1) this.#pacer.take(now);
    const sequence = this.#sequence;
    this.#sequence = (this.#sequence + next.count) >>> 0;
    return { type: "send", ...next, sequence };
  }

  #look(now: number): void {
    for (const receiver of this.#room.look(now)) {
      if (!this.#room.isActive(receiver.id)) this.#order.onReceiverLeft();
      else this.#order.onOthersServed();
      this.#events.push({ type: "receiver", receiver });
    }
  }

  #enter(state: SenderState, reason: string): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#room.onState(state === "streaming");
    this.#events.push({ type: "state", state, reason });
  }
}
