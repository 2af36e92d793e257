import type { StreamLayout } from "./layout.ts";
import type { Pacer } from "./pacer.ts";
import { PacketKind } from "./packet.ts";
import { LOST_AFTER_MS, type Receiver, type ReceiverReport, Roster } from "./roster.ts";

export type { Receiver } from "./roster.ts";

/** Before the stream starts: shows the receivers that the group arrives. */
const CANARY_EVERY_MS = 250;

export type SenderState = "open" | "streaming" | "ended";

export type SenderAction =
  | {
      readonly type: "send";
      readonly kind: PacketKind;
      readonly block: number;
      readonly symbol: number;
      readonly sequence: number;
    }
  /** Nothing to do before `until`, unless a receiver joins or reports. */
  | { readonly type: "wait"; readonly until: number }
  | { readonly type: "over"; readonly reason: string };

export type SenderEvent =
  | { readonly type: "state"; readonly state: SenderState; readonly reason: string }
  | { readonly type: "pass"; readonly pass: number }
  | { readonly type: "receiver"; readonly receiver: Receiver };

export type SenderOptions = {
  /** The stream starts when so many receivers are ready. */
  readonly waitFor: number;
  /** It starts so long after the first one is ready, with those who are; 0: waits for all without end. */
  readonly maxWaitMs: number;
  /** One pass only; then unicast until every receiver has reported its end. */
  readonly once: boolean;
  /** After the pass of a `once` stream: over when no receiver got any further for so long. */
  readonly idleEndMs: number;
};

/**
 * Decides what a stream sends and when it starts, loops and ends.
 *
 *     open ──enough are ready──► streaming ──(once) the pass is over──► ended ──all reported──► over
 *       ▲                            │
 *       └── (loop) nobody is left ───┘
 *
 * Nothing is sent before the first receiver has joined and after the last one
 * is finished. A receiver that is done costs nothing; one that joins while the
 * stream runs takes part from there and gets the beginning in the next pass or
 * by unicast. It owns no socket and no clock: the caller polls it, sends what
 * it says, and brings the receivers' words and the time (milliseconds).
 */
export class SenderSession {
  readonly #layout: StreamLayout;
  readonly #pacer: Pacer;
  readonly #options: SenderOptions;
  readonly #roster = new Roster();
  #silenceCheckedAt = 0;
  #events: SenderEvent[] = [];
  #state: SenderState = "open";
  #overReason: string | undefined;
  #hasStreamed = false;
  #firstReadyAt: number | undefined;
  #canaryAt = 0;
  /** The last time that a receiver of an ended stream got further. */
  #furtherAt = 0;
  #sequence = 0;
  #block = 0;
  #symbol = 0;
  #pass = 1;

  constructor(layout: StreamLayout, pacer: Pacer, options: SenderOptions) {
    this.#layout = layout;
    this.#pacer = pacer;
    this.#options = options;
  }

  get state(): SenderState {
    return this.#state;
  }

  get isOver(): boolean {
    return this.#overReason !== undefined;
  }

  get receivers(): readonly Receiver[] {
    return this.#roster.receivers;
  }

  /** What the stream waits for, for people: "1 of 2 hosts ready"; empty when it waits for nothing. */
  get waitingFor(): string {
    if (this.#state === "streaming" || this.isOver) return "";
    if (this.#state === "ended") {
      const { active, size } = this.#roster;
      const hosts = size === 1 ? "host has" : "hosts have";
      return active === 0 ? "" : `${active} of ${size} ${hosts} still to report the end`;
    }
    const ready = this.#readyCount();
    const hosts = this.#options.waitFor === 1 ? "host" : "hosts";
    return ready >= this.#options.waitFor ? "" : `${ready} of ${this.#options.waitFor} ${hosts} ready`;
  }

  /** @param id chosen by the caller, hard to guess. False when the stream has as many receivers as it can. */
  join(id: string, name: string, hostId: string | undefined, now: number): boolean {
    const receiver = this.#roster.join({ id, name, hostId, packsTotal: this.#layout.packCount }, now);
    if (receiver === undefined) return false;
    this.#furtherAt = now;
    this.#events.push({ type: "receiver", receiver });
    return true;
  }

  /** False when there is no such receiver. One that was lost and reports again is back. */
  report(id: string, report: ReceiverReport, now: number): boolean {
    const change = this.#roster.report(id, report, now);
    if (change === undefined) return false;
    const { before, receiver } = change;
    if (receiver.packsDone > before.packsDone || receiver.state !== before.state) this.#furtherAt = now;
    if (["ready", "receiving", "done"].includes(receiver.state)) this.#firstReadyAt ??= now;
    if (receiver.state !== before.state) this.#events.push({ type: "receiver", receiver });
    return true;
  }

  /** Ends the stream; receivers are told at their next report and may still fetch by unicast. */
  stop(reason: string): void {
    if (this.isOver) return;
    this.#enter("ended", reason);
    this.#overReason = reason;
  }

  /** Starts now, with the receivers that are there. */
  startNow(reason: string): void {
    if (this.#state === "open") this.#start(reason);
  }

  takeEvents(): readonly SenderEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  poll(now: number): SenderAction {
    if (this.#overReason !== undefined) return { type: "over", reason: this.#overReason };
    this.#loseSilent(now);
    if (this.#state === "open") this.#startWhenReady(now);
    if (this.#state === "streaming") this.#endWhenNobodyIsLeft();
    switch (this.#state) {
      case "open":
        return this.#canary(now);
      case "streaming":
        return this.#nextSymbol(now);
      case "ended":
        return this.#lastWords(now);
    }
  }

  #startWhenReady(now: number): void {
    const ready = this.#readyCount();
    if (ready === 0) return;
    const { waitFor, maxWaitMs } = this.#options;
    if (ready >= waitFor) this.#start(`${ready} of ${waitFor} hosts are ready`);
    else if (this.#hasStreamed) this.#start("a host wants it again");
    else if (maxWaitMs > 0 && now >= (this.#firstReadyAt ?? now) + maxWaitMs) {
      this.#start(`${ready} of ${waitFor} hosts are ready and the longest wait is over`);
    }
  }

  // Before its only pass a receiver is done at once when the image has nothing to send: it does not wait for the others.
  #readyCount(): number {
    return this.#options.once
      ? this.#roster.count("ready", "receiving", "done")
      : this.#roster.count("ready", "receiving");
  }

  #start(reason: string): void {
    this.#hasStreamed = true;
    this.#enter("streaming", reason);
  }

  #endWhenNobodyIsLeft(): void {
    if (this.#roster.active > 0) return;
    if (this.#options.once) this.#enter("ended", "no receiver is left");
    else this.#enter("open", "no receiver is left");
  }

  #canary(now: number): SenderAction {
    if (this.#roster.active === 0) return { type: "wait", until: now + LOST_AFTER_MS };
    if (now < this.#canaryAt) return { type: "wait", until: this.#canaryAt };
    const readyAt = this.#pacer.readyAt(now);
    if (readyAt > now) return { type: "wait", until: readyAt };
    this.#canaryAt = now + CANARY_EVERY_MS;
    return this.#send(PacketKind.canary, 0, 0, now);
  }

  #nextSymbol(now: number): SenderAction {
    // An image of nothing but zeros has no packs and no symbols; its receivers need none.
    if (this.#layout.symbolCount === 0) return this.#canary(now);
    const readyAt = this.#pacer.readyAt(now);
    if (readyAt > now) return { type: "wait", until: readyAt };
    const action = this.#send(PacketKind.symbol, this.#block, this.#symbol, now);
    this.#symbol += 1;
    if (this.#symbol < this.#layout.symbolsOfBlock(this.#block)) return action;
    this.#symbol = 0;
    this.#block += 1;
    if (this.#block < this.#layout.blockCount) return action;
    this.#block = 0;
    this.#events.push({ type: "pass", pass: this.#pass });
    this.#pass += 1;
    if (this.#options.once) {
      this.#furtherAt = now;
      this.#enter("ended", "the pass is over");
    }
    return action;
  }

  #lastWords(now: number): SenderAction {
    if (this.#roster.active === 0) {
      this.#overReason = "every receiver has reported its end";
      return { type: "over", reason: this.#overReason };
    }
    const until = this.#furtherAt + this.#options.idleEndMs;
    if (now < until) return { type: "wait", until: Math.min(until, now + 1_000) };
    this.#overReason = "the receivers that are left got no further";
    return { type: "over", reason: this.#overReason };
  }

  #send(kind: PacketKind, block: number, symbol: number, now: number): SenderAction {
    this.#pacer.take(now);
    const sequence = this.#sequence;
    this.#sequence = (this.#sequence + 1) >>> 0;
    return { type: "send", kind, block, symbol, sequence };
  }

  #loseSilent(now: number): void {
    if (now < this.#silenceCheckedAt + 1_000) return;
    this.#silenceCheckedAt = now;
    for (const receiver of this.#roster.loseSilent(now)) this.#events.push({ type: "receiver", receiver });
  }

  #enter(state: SenderState, reason: string): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#events.push({ type: "state", state, reason });
  }
}
