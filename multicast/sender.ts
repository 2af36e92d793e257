import type { StreamLayout } from "./layout.ts";
import type { Pacer } from "./pacer.ts";
import { PacketKind } from "./packet.ts";

/** Before the stream starts: shows the receivers that the group arrives. */
const CANARY_EVERY_MS = 250;

/** A receiver that has not reported for so long is lost. */
const LOST_AFTER_MS = 60_000;

export type SenderState = "open" | "streaming" | "ended";

/** A receiver's own word about itself; "lost" is the sender's word. */
export type ReceiverState = "joined" | "ready" | "receiving" | "done" | "failed" | "left" | "lost";

export type Receiver = {
  readonly id: string;
  readonly name: string;
  readonly hostId: string | undefined;
  readonly state: ReceiverState;
  readonly packsDone: number;
  readonly packsTotal: number;
  readonly symbolsReceived: number;
  readonly symbolsLost: number;
  readonly reportedAt: number;
};

/** What a receiver reports; the symbol counts are since its last report. */
export type ReceiverReport = {
  readonly state: Exclude<ReceiverState, "lost">;
  readonly packsDone: number;
  readonly packsTotal: number;
  readonly symbolsReceived: number;
  readonly symbolsLost: number;
};

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
  readonly #receivers = new Map<string, Receiver>();
  /** Receivers that are not finished; counted at every change because it is asked for with every datagram. */
  #active = 0;
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
    return [...this.#receivers.values()];
  }

  /** What the stream waits for, for people: "1 of 2 hosts ready"; empty when it waits for nothing. */
  get waitingFor(): string {
    if (this.#state === "streaming" || this.isOver) return "";
    if (this.#state === "ended") {
      const hosts = this.#receivers.size === 1 ? "host has" : "hosts have";
      return this.#active === 0 ? "" : `${this.#active} of ${this.#receivers.size} ${hosts} still to report the end`;
    }
    const ready = this.#readyCount();
    const hosts = this.#options.waitFor === 1 ? "host" : "hosts";
    return ready >= this.#options.waitFor ? "" : `${ready} of ${this.#options.waitFor} ${hosts} ready`;
  }

  /** @param id chosen by the caller, hard to guess */
  join(id: string, name: string, hostId: string | undefined, now: number): void {
    this.#furtherAt = now;
    this.#note({
      id,
      name,
      hostId,
      state: "joined",
      packsDone: 0,
      packsTotal: this.#layout.packCount,
      symbolsReceived: 0,
      symbolsLost: 0,
      reportedAt: now,
    });
  }

  /** False when there is no such receiver. One that was lost and reports again is back. */
  report(id: string, report: ReceiverReport, now: number): boolean {
    const before = this.#receivers.get(id);
    if (before === undefined) return false;
    const receiver: Receiver = {
      ...before,
      ...report,
      symbolsReceived: before.symbolsReceived + report.symbolsReceived,
      symbolsLost: before.symbolsLost + report.symbolsLost,
      reportedAt: now,
    };
    if (receiver.packsDone > before.packsDone || receiver.state !== before.state) this.#furtherAt = now;
    if (["ready", "receiving", "done"].includes(receiver.state)) this.#firstReadyAt ??= now;
    if (receiver.state === before.state) this.#receivers.set(id, receiver);
    else this.#note(receiver);
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
    this.#forgetSilent(now);
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
    return this.#options.once ? this.#count("ready", "receiving", "done") : this.#count("ready", "receiving");
  }

  #start(reason: string): void {
    this.#hasStreamed = true;
    this.#enter("streaming", reason);
  }

  #endWhenNobodyIsLeft(): void {
    if (this.#active > 0) return;
    if (this.#options.once) this.#enter("ended", "no receiver is left");
    else this.#enter("open", "no receiver is left");
  }

  #canary(now: number): SenderAction {
    if (this.#active === 0) return { type: "wait", until: now + LOST_AFTER_MS };
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
    if (this.#active === 0) {
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

  #forgetSilent(now: number): void {
    if (now < this.#silenceCheckedAt + 1_000) return;
    this.#silenceCheckedAt = now;
    for (const receiver of this.#receivers.values()) {
      if (!isActive(receiver.state) || now - receiver.reportedAt < LOST_AFTER_MS) continue;
      this.#note({ ...receiver, state: "lost" });
    }
  }

  #count(...states: readonly ReceiverState[]): number {
    let count = 0;
    for (const { state } of this.#receivers.values()) if (states.includes(state)) count += 1;
    return count;
  }

  #note(receiver: Receiver): void {
    this.#receivers.set(receiver.id, receiver);
    this.#active = this.#count("joined", "ready", "receiving");
    this.#events.push({ type: "receiver", receiver });
  }

  #enter(state: SenderState, reason: string): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#events.push({ type: "state", state, reason });
  }
}

function isActive(state: ReceiverState): boolean {
  return state === "joined" || state === "ready" || state === "receiving";
}
