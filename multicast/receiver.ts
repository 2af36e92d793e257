import type { CanaryCount } from "./canary-burst.ts";
import { CanaryMeter } from "./canary-meter.ts";
import { DelayMeter } from "./delay-meter.ts";
import type { StreamDescription } from "./description.ts";
import type { Feedback } from "./feedback.ts";
import type { StreamLayout } from "./layout.ts";
import {
  type DropReason,
  decodePacket,
  type Packet,
  type PacketFormat,
  PacketKind,
  packetFormat,
  TAIL_PAUSE_UNIT_MS,
} from "./packet.ts";
import { type Mark, PassMarks } from "./pass-marks.ts";
import { RepairRequests } from "./repair-requests.ts";
import { SequenceWindow } from "./sequence.ts";
import { type BlockRepair, type ReadyPack, type SymbolFate, SymbolStore } from "./symbol-store.ts";
import { type TailKey, TailProofs } from "./tail-proofs.ts";

/** What a datagram was. */
export type DatagramFate = DropReason | SymbolFate | "canary";

/**
 * What a receiver knows and wants. It owns no socket, no disk and no clock:
 * datagrams and times come in, complete packs and wishes go out.
 *
 * Packs are counted by their place in the stream (see StreamLayout).
 */
export class StreamReceiver {
  readonly #layout: StreamLayout;
  readonly #format: PacketFormat;
  readonly #store: SymbolStore;
  readonly #requests: RepairRequests;
  readonly #passes: PassMarks;
  readonly #sequence = new SequenceWindow();
  readonly #delay = new DelayMeter();
  readonly #canaries = new CanaryMeter();
  readonly #tailProofs: TailProofs | undefined;
  readonly #silenceMs: number;
  readonly #fates = new Map<DatagramFate, number>();
  #streamState: "open" | "streaming" | "ended" = "open";
  #isServedByUnicast = false;
  #heardAt: number;
  /** When the last symbol of any kind arrived: canaries alone complete nothing. */
  #symbolAt: number;
  #packsDone = 0;
  #doneBytes = 0;

  /**
   * @param options.memoryBytes most memory for symbols
   * @param options.newMemory makes it: see SymbolStore
   * @param options.silenceMs after so long without a symbol of a running stream the rest is fetched by unicast
   * @param options.tailKey without it nobody can say how short the pause of the last requests may be
   * @param options.random 0 inclusive to 1 exclusive: spreads a room's requests
   */
  constructor(
    description: StreamDescription,
    layout: StreamLayout,
    options: {
      readonly memoryBytes: number;
      readonly newMemory?: (bytes: number) => Uint8Array;
      readonly silenceMs: number;
      readonly tailKey?: TailKey;
      readonly now: number;
      readonly random: () => number;
    },
  ) {
    this.#layout = layout;
    this.#format = packetFormat(description);
    this.#store = new SymbolStore(layout, options.memoryBytes, options.newMemory);
    this.#requests = new RepairRequests(layout, this.#store, options.random);
    this.#passes = new PassMarks(layout, this.#store);
    this.#tailProofs = options.tailKey && new TailProofs(options.tailKey);
    this.#silenceMs = options.silenceMs;
    this.#heardAt = options.now;
    this.#symbolAt = options.now;
  }

  onDatagram(bytes: Uint8Array, now: number): DatagramFate {
    const fate = this.#fateOf(bytes, now);
    this.#fates.set(fate, (this.#fates.get(fate) ?? 0) + 1);
    return fate;
  }

  /** The sender's state, as it says over the control connection. After "ended" nothing more is waited for. */
  onStreamState(state: "open" | "streaming" | "ended", now: number): void {
    // The silence before a stream starts is not held against it.
    if (state === "streaming" && this.#streamState === "open") this.#heardAt = this.#symbolAt = now;
    if (state === "ended" && this.#streamState !== "ended") this.#passes.end();
    this.#streamState = state;
  }

  /** The sender's word: what is missing comes by unicast, and the group does not wait for this receiver. */
  set isServedByUnicast(isServedByUnicast: boolean) {
    this.#isServedByUnicast = isServedByUnicast;
  }

  /** The disk holds this pack's content already; before the stream is joined. */
  onPackHeld(pack: number): void {
    if (this.#store.takeElsewhere(pack)) this.onPackDone(pack);
  }

  /** Whether `takeReady` may have a pack. */
  get hasReady(): boolean {
    return this.#store.hasReady;
  }

  /** Whether `takeRepair` has a block. */
  get hasRepair(): boolean {
    return this.#store.hasRepair;
  }

  /** The next block that `ParityCodec.decode` can complete; then say `onRepaired`. Packs may become ready by it. */
  takeRepair(): BlockRepair | undefined {
    return this.#store.takeRepair();
  }

  onRepaired(block: number): void {
    if (this.#store.onRepaired(block)) this.#requests.reopen(block);
  }

  /**
   * The next complete pack. The caller checks it, says `release` when its pieces are not used any more, and then
   * `onPackDone` or `onPackWrong`.
   */
  takeReady(): ReadyPack | undefined {
    return this.#store.takeReady();
  }

  /** The memory that a pack from `takeReady` lies in may be used again. */
  release(pack: number): void {
    this.#store.release(pack);
  }

  /** A pack came by unicast: false when it is not needed any more, otherwise as if `takeReady` had given it. */
  takeUnicast(pack: number): boolean {
    return this.#store.takeElsewhere(pack);
  }

  onPackDone(pack: number): void {
    this.#store.release(pack);
    this.#packsDone += 1;
    this.#doneBytes += this.#layout.packBytes(pack);
  }

  /** The pack did not match the manifest: it was forged or damaged. It is asked for again; the second time by unicast. */
  onPackWrong(pack: number): void {
    for (const block of this.#store.reject(pack)) this.#requests.reopen(block);
  }

  /** Packs to fetch by unicast now, most important first; empty while it is better to listen on. */
  wantedByUnicast(now: number): Iterable<number> {
    const isSilent = this.#streamState === "streaming" && now - this.#symbolAt >= this.#silenceMs;
    return this.#store.missing(!(isSilent || this.#isServedByUnicast || this.#streamState === "ended"));
  }

  /** How often this receiver may ask for repairs; the sender says it. */
  set feedbackEveryMs(everyMs: number) {
    this.#requests.everyMs = everyMs;
  }

  /** When `takeFeedback` should be called next; undefined while there is nothing to ask for. */
  get feedbackDueAt(): number | undefined {
    return this.#isUnheard ? undefined : this.#requests.dueAt;
  }

  /** What to ask the sender for now; undefined when it is not the time, or nothing is missing. */
  takeFeedback(now: number): Omit<Feedback, "receiver"> | undefined {
    const newest = this.#sequence.newest;
    if (newest === undefined || this.#isUnheard) return undefined;
    const wishes = this.#requests.takeWishes(now);
    return wishes.length === 0 ? undefined : { newest, wishes };
  }

  /** Runs of blocks of which something is needed: [first, count], ascending. */
  neededBlocks(): [number, number][] {
    const runs: [number, number][] = [];
    for (let block = 0; block < this.#layout.blockCount; block += 1) {
      if (this.#store.lackingOf(block) === 0) continue;
      const last = runs.at(-1);
      if (last !== undefined && last[0] + last[1] === block) last[1] += 1;
      else runs.push([block, 1]);
    }
    return runs;
  }

  /** Marks of the stretches that have gone by since the last call. */
  takeMarks(): readonly Mark[] {
    return this.#passes.take();
  }

  /** Every pack is done. */
  get isComplete(): boolean {
    return this.#packsDone === this.#layout.packCount;
  }

  get packsDone(): number {
    return this.#packsDone;
  }

  get doneBytes(): number {
    return this.#doneBytes;
  }

  /** Whole passes that have gone by since the first symbol. */
  get fullPasses(): number {
    return this.#passes.fullPasses;
  }

  /** True when at least one symbol has arrived, whether it was kept or not. */
  get hasSymbols(): boolean {
    return this.#passes.hasBegun;
  }

  /** Of the canaries before the first symbol, since the last call; undefined when there were none. */
  takeCanaries(): CanaryCount | undefined {
    return this.#canaries.take();
  }

  /** When the last datagram of this stream arrived, or the time of the start. */
  get heardAt(): number {
    return this.#heardAt;
  }

  get datagramsReceived(): number {
    return this.#sequence.received;
  }

  get datagramsLost(): number {
    return this.#sequence.lost;
  }

  /** How long the newest datagrams waited on their way; undefined before any came. */
  get delayMs(): number | undefined {
    return this.#delay.delayMs(this.#heardAt);
  }

  /** Symbols that were lost and computed from parity. */
  get symbolsRepaired(): number {
    return this.#store.repairedSymbols;
  }

  get heldBytes(): number {
    return this.#store.heldBytes;
  }

  /** Where all symbols lie: repairs and ready packs are views into it. */
  get memory(): Uint8Array {
    return this.#store.memory;
  }

  /** How many datagrams met each fate. */
  get fates(): ReadonlyMap<DatagramFate, number> {
    return this.#fates;
  }

  // Nobody listens to requests any more, or not yet: how often each may ask is not known before the stream runs, and who
  // forges its end would make a whole room ask at once.
  get #isUnheard(): boolean {
    return this.#isServedByUnicast || this.#streamState !== "streaming";
  }

  #fateOf(bytes: Uint8Array, now: number): DatagramFate {
    const packet = decodePacket(bytes, this.#format);
    if (typeof packet === "string") return packet;
    this.#heardAt = now;
    const { restarts } = this.#sequence;
    const order = this.#sequence.note(packet.sequence);
    if (order === "newest") {
      // A sender that counts anew was started again: its clock is another one.
      if (this.#sequence.restarts > restarts) this.#delay.restart();
      this.#delay.note(packet.sendTimeTenthsMs, now);
    }
    if (packet.kind === PacketKind.canary) {
      if (!this.hasSymbols) this.#canaries.note(packet.sequence);
      else if (packet.block === this.#layout.blockCount) this.#onTail(packet, now);
      return "canary";
    }
    this.#symbolAt = now;
    // The sequence number only counts and orders: what is needed is kept even when its number was forged.
    const fate = this.#store.add(packet.block, packet.symbol, packet.payload);
    if (fate !== "out-of-range" && order === "newest") this.#follow(packet, fate, now);
    return fate;
  }

  #follow(packet: Packet, fate: SymbolFate, now: number): void {
    const { symbolsPerBlock } = this.#layout;
    if (packet.kind === PacketKind.symbol) {
      this.#requests.onSymbol(packet.block, now);
      this.#passes.follow(packet.block * symbolsPerBlock + packet.symbol, now);
    } else if (fate !== "not-needed") {
      // What is here already says nothing about what comes: one repair over and over would put off every request.
      const number = packet.symbol - symbolsPerBlock + 1;
      this.#requests.onRepair(packet.block, number > 0 ? number : packet.plannedParity, packet.plannedParity, now);
    }
  }

  #onTail(packet: Packet, now: number): void {
    const pause = Math.max(1, packet.symbol * 256 + packet.plannedParity);
    const isProven = this.#tailProofs?.isProven(packet, now) === true;
    this.#requests.onTail(isProven ? pause * TAIL_PAUSE_UNIT_MS : undefined, now);
    this.#passes.end();
  }
}
