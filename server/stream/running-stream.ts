import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { Join, Joined, StreamInfo } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { KeyParcel } from "../../images/key-parcel.ts";
import type { Manifest } from "../../images/manifest.ts";
import type { PackReader } from "../../images/pack-reader.ts";
import { type StreamDescription, SYMBOL_BYTES } from "../../multicast/description.ts";
import { decodeFeedback } from "../../multicast/feedback.ts";
import { packetBytesOfSymbol, symbolBytesOfMtu } from "../../multicast/frame-size.ts";
import {
  FRAME_BYTES,
  PACKET_HEADER_BYTES,
  type PacketFormat,
  PacketKind,
  packetFormat,
} from "../../multicast/packet.ts";
import { ParityCodec } from "../../multicast/parity.ts";
import { PlausibleLoss } from "../../multicast/plausible-loss.ts";
import { type Aside, MOST_RECEIVERS, type Receiver, type ReceiverReport } from "../../multicast/roster.ts";
import type { SenderAction, SenderEvent, SenderSession } from "../../multicast/sender.ts";
import { SentMeter } from "../../multicast/sent-meter.ts";
import { asFault } from "./as-fault.ts";
import { BlockFeed } from "./block-feed.ts";
import { receiverFigures, type StreamFigures } from "./figures.ts";
import { JoinLimit } from "./join-limit.ts";
import type { LanFinding } from "./lan-finding.ts";
import { burstFinding, FloodReports, framesFinding } from "./lan-reports.ts";
import { isActive } from "./report-lateness.ts";
import type { SealedPacks } from "./sealed-packs.ts";
import type { MulticastSender } from "./socket.ts";
import type { StreamRate } from "./stream-rate.ts";
import type { StreamWire } from "./stream-wire.ts";
import { UnicastPace } from "./unicast-pace.ts";

/** What a stream tells its owner. "over": nothing more is sent. "problem": why it had to end. */
export type StreamEvent =
  | Exclude<SenderEvent, { readonly type: "burst" }>
  /** What was found out about the network that it is sent into. */
  | { readonly type: "lan"; readonly finding: LanFinding }
  | { readonly type: "over"; readonly reason: string }
  | { readonly type: "problem"; readonly fault: Fault };

/** After so many datagrams in a row other work gets its turn, even when the rate asks for more than the machine can. */
const DATAGRAMS_PER_TURN = 64;

/** What goes by TCP is so much longer on the wire: 1448 bytes of 1514. */
const TCP_SHARE = 1.05;

/** Of the rate, what the group takes when it has more to send than canaries. */
const BUSY_SHARE = 0.1;

const noBytes = new Uint8Array();

/** Why nothing is sent, and how the session is told that it may again. */
type Hold = { readonly reason: string; release: (now: number) => void };

/** One stream that runs on this server: its session, and the socket that does what the session says. */
export class RunningStream {
  readonly manifestBytes: Uint8Array;
  /** The key that signed the manifest, SPKI as PEM, for receivers that know no site key yet. */
  readonly signerPem: string;
  /** Asked before `join`. */
  readonly joinLimit = new JoinLimit();
  /** Resolves with the reason when the stream is over. */
  readonly ended: Promise<string>;
  readonly #manifest: Manifest;
  readonly #packs: PackReader;
  readonly #sealed: SealedPacks | undefined;
  readonly #sent = new SentMeter();
  readonly #packOfDigest: ReadonlyMap<string, number>;
  readonly #wireOf: (symbolBytes: number) => Promise<StreamWire>;
  /** These seven go by the size of the symbols: see `#use`. */
  #description!: StreamDescription;
  #blockCount!: number;
  #session!: SenderSession;
  #feed!: BlockFeed;
  #format!: PacketFormat;
  #codec!: ParityCodec;
  #socket!: MulticastSender;
  /** While it is made one of ordinary frames. */
  #fallingBack: Promise<void> | undefined;
  readonly #holds = new Set<Hold>();
  readonly #rate: StreamRate;
  readonly #unicast = new UnicastPace();
  readonly #plausible = new PlausibleLoss();
  readonly #flooding = new FloodReports();
  readonly #now: () => number;
  readonly #onEvent: (event: StreamEvent) => void;
  readonly #log: Logger;
  /** The block that was sent from last. */
  #held: { readonly block: number; readonly bytes: Uint8Array } | undefined;
  #wake: () => void = () => undefined;

  constructor(parts: {
    readonly wire: StreamWire;
    /** Makes it anew, with symbols of this size. */
    readonly wireOf: (symbolBytes: number) => Promise<StreamWire>;
    readonly manifest: Manifest;
    readonly manifestBytes: Uint8Array;
    readonly signerPem: string;
    /** Sealed where the stream is encrypted. */
    readonly packs: PackReader;
    readonly sealed: SealedPacks | undefined;
    readonly rate: StreamRate;
    readonly now: () => number;
    readonly onEvent: (event: StreamEvent) => void;
    readonly log: Logger;
  }) {
    this.manifestBytes = parts.manifestBytes;
    this.signerPem = parts.signerPem;
    this.#manifest = parts.manifest;
    this.#packs = parts.packs;
    this.#sealed = parts.sealed;
    this.#packOfDigest = new Map(
      parts.wire.layout.packNumbers.map((number) => [parts.manifest.packs[number]!.digest, number]),
    );
    this.#wireOf = parts.wireOf;
    this.#use(parts.wire);
    this.#rate = parts.rate;
    this.#now = parts.now;
    this.#onEvent = parts.onEvent;
    this.#log = parts.log;
    this.ended = this.#run();
  }

  /** Its `symbolBytes` may become less before the first symbol is sent. */
  get description(): StreamDescription {
    return this.#description;
  }

  get streamId(): string {
    return this.description.streamId;
  }

  get receivers(): readonly Receiver[] {
    return this.#session.receivers;
  }

  get isOver(): boolean {
    return this.#session.isOver;
  }

  /** What the stream waits for, for people; empty while it runs. */
  get waitingFor(): string {
    return this.#session.waitingFor;
  }

  /** A stream that is held is "open" to the receivers: so they do not fetch by unicast what is not sent. */
  get state(): StreamInfo["state"] {
    return this.#session.isHeld ? "open" : this.#session.state;
  }

  info(): StreamInfo {
    const { packs, ...rest } = this.description;
    return {
      description: { ...rest, packs: packs.map(([first, count]): [number, number] => [first, count]) },
      image: this.#manifest.tag.name,
      imageVersion: this.#manifest.tag.version,
      diskBytes: this.#manifest.diskBytes,
      state: this.state,
      receivers: this.#active().length,
    };
  }

  /** What it does now, for people and programs. */
  figures(): StreamFigures {
    const { name, version } = this.#manifest.tag;
    return {
      streamId: this.streamId,
      image: name,
      imageVersion: version,
      state: this.#session.state,
      waitingFor: this.waitingFor,
      rateBytesPerSecond: Math.round(this.#sent.bytesPerSecond(this.#now())),
      mode: this.#rate.mode,
      mostBytesPerSecond: Math.round(this.#rate.bytesPerSecond),
      rateWhy: this.#rate.why,
      sentBytes: this.#sent.bytes,
      refused: this.#socket.refused,
      pass: this.#session.pass,
      blocks: this.#blockCount,
      receivers: this.#session.receivers.map(receiverFigures),
    };
  }

  /**
   * A pack for who fetches it by unicast, when the stream's rate allows it.
   *
   * @throws {Fault} PACK_UNKNOWN, UNICAST_BUSY, or what the pack's source throws
   */
  async readPack(digest: string): Promise<Uint8Array> {
    const number = this.#packOfDigest.get(digest);
    if (number === undefined) {
      throw new Fault("PACK_UNKNOWN", {
        what: `This stream has no pack ${digest.slice(0, 16)}….`,
        why: "It is not part of the image that is sent.",
        fix: "Start the restore again.",
      });
    }
    const pack = this.#manifest.packs[number]!;
    await this.#awaitUnicast(pack.storedBytes * TCP_SHARE);
    return this.#packs.read(pack, number);
  }

  /** @param bytes all headers counted */
  async #awaitUnicast(bytes: number): Promise<void> {
    const bytesPerSecond = this.#rate.onUnicast();
    const now = this.#now();
    // At the end of a pass, and while it is held, canaries are nearly nothing.
    const isGroupBusy = this.#sent.bytesPerSecond(now) > bytesPerSecond * BUSY_SHARE;
    const waitMs = this.#unicast.admit({ bytes, bytesPerSecond, isGroupBusy }, now);
    if (waitMs === undefined) {
      throw new Fault("UNICAST_BUSY", {
        what: "The server sends packs to other hosts first.",
        why: "Many fetch what the group did not bring them, and all of it together stays within the stream's rate.",
        fix: "It is asked again by itself. If many hosts need it, see why the group does not reach them, or take a higher rate.",
      });
    }
    if (waitMs > 0) await sleep(waitMs);
    this.#unicast.onSent(bytes, bytesPerSecond, this.#now());
  }

  /**
   * The description for who understands symbols of so many bytes, and no larger ones: while the stream has not begun,
   * it becomes one of ordinary frames for that.
   */
  async infoFor(mostSymbolBytes = SYMBOL_BYTES): Promise<StreamInfo> {
    if (mostSymbolBytes < this.description.symbolBytes) await this.#fallBack("an older agent asked for it");
    return this.info();
  }

  /**
   * Before `join`: receiver and stream go by the same symbols. One whose card does not carry the stream's frames makes
   * a stream that has not begun one of ordinary frames; one that has begun serves it by unicast, once it says so.
   *
   * @throws {Fault} STREAM_DESCRIBED_ANEW when the receiver goes by another description
   */
  async agreeOn({ name, symbolBytes = SYMBOL_BYTES, mtuBytes, needs }: Join): Promise<void> {
    // Who needs nothing from the group goes by no description.
    if (needs?.length === 0) return;
    const { description } = this;
    const carries = mtuBytes === undefined ? description.symbolBytes : symbolBytesOfMtu(mtuBytes);
    if (carries < description.symbolBytes) await this.#fallBack(`the card of ${name} carries ${mtuBytes} bytes`);
    else if (symbolBytes < description.symbolBytes) await this.#fallBack(`${name} goes by smaller ones`);
    if (symbolBytes === this.description.symbolBytes) return;
    throw new Fault("STREAM_DESCRIBED_ANEW", {
      what: `The stream's symbols have ${this.description.symbolBytes} bytes, and ${name} goes by ${symbolBytes}.`,
      why: "A host of this room gets no larger frames, the server was restarted, or this receiver is of an older version.",
      fix: "Ask for its description again; an older agent needs a new boot image, or a stream with --jumbo off.",
    });
  }

  /**
   * @param needs runs of blocks [first, count] that the receiver lacks; all unless told
   * @param publicKey who the key of an encrypted stream is packed for
   * @throws {Fault} STREAM_FULL; STREAM_ENCRYPTED, KEY_PARCEL_WRONG
   */
  join(
    name: string,
    hostId: string | undefined,
    needs?: readonly (readonly [number, number])[],
    publicKey?: string,
  ): Joined {
    const groupKey = this.#groupKeyFor(publicKey);
    const receiverId = randomUUID();
    if (!this.#session.join(receiverId, name, hostId, this.#now(), needs)) {
      throw new Fault("STREAM_FULL", {
        what: `The stream has ${MOST_RECEIVERS} receivers, and takes no more.`,
        why: "So many machines joined it and have not finished.",
        fix: "Start another stream for the rest, or wait until some are done.",
      });
    }
    this.#afterWord();
    const { address: feedbackAddress, port: feedbackPort } = this.#socket.requests;
    return { receiverId, feedbackAddress, feedbackPort, ...(groupKey === undefined ? {} : { groupKey }) };
  }

  /** How often each receiver may ask for repairs. */
  get feedbackEveryMs(): number {
    return this.#session.feedbackEveryMs;
  }

  /** How a receiver is served when it is not served with the others. */
  asideOf(receiverId: string): Aside | undefined {
    return this.#session.receiver(receiverId)?.aside;
  }

  /** How often each receiver is to report. */
  get reportEveryMs(): number {
    return this.#rate.reportEveryMs;
  }

  /** @throws {Fault} RECEIVER_UNKNOWN */
  report(receiverId: string, said: ReceiverReport): void {
    const now = this.#now();
    const report = this.#plausible.correct(receiverId, said, this.#session.sentDatagrams);
    if (!this.#session.report(receiverId, report, now)) {
      this.#plausible.forget(receiverId);
      throw new Fault("RECEIVER_UNKNOWN", {
        what: "The server does not know this receiver.",
        why: "It never joined this stream, or the server was restarted since.",
        fix: "Start the restore again.",
      });
    }
    if (report.lacksFrames === true && this.description.symbolBytes > SYMBOL_BYTES) {
      void this.#fallBack(`${this.#session.receiver(receiverId)?.name} gets nothing`);
    }
    this.#tellLan(this.#flooding.onReport(this.#session.receiver(receiverId)?.name ?? "", report.isFlooded));
    // What a host loses that the room does not wait for says nothing about the rate.
    if (this.asideOf(receiverId) === undefined) this.#rate.onReport(receiverId, report, now);
    this.#afterWord();
  }

  /** Starts at once with the receivers that are ready. */
  startNow(reason: string): void {
    this.#session.startNow(reason);
    this.#afterWord();
  }

  /**
   * Nothing but canaries is sent until it is let go of: receivers wait, and are told why.
   *
   * @returns lets go; nothing happens the second time
   */
  hold(reason: string): () => void {
    const hold = { reason, release: this.#session.hold(reason) };
    this.#holds.add(hold);
    this.#afterWord();
    return () => {
      this.#holds.delete(hold);
      hold.release(this.#now());
      this.#afterWord();
    };
  }

  /** Nothing more is sent; receivers are told, and may fetch the rest by unicast while the stream is known. */
  stop(reason: string): void {
    this.#session.stop(reason);
    this.#afterWord();
  }

  #use({ description, layout, session, socket }: StreamWire): void {
    this.#description = description;
    this.#blockCount = layout.blockCount;
    this.#session = session;
    this.#feed = new BlockFeed(layout, this.#manifest, this.#packs);
    this.#format = packetFormat(description);
    this.#codec = new ParityCodec(description.symbolsPerBlock, description.symbolBytes);
    this.#socket = socket;
    socket.onDatagram((bytes) => this.#onFeedback(bytes));
  }

  /** Nothing of its blocks has been sent, or everybody who had any is gone. */
  get #canFallBack(): boolean {
    return this.#session.state === "open" && !this.isOver;
  }

  // All receivers are unknown to the new session: they join it anew, and learn of the new description by that.
  #fallBack(why: string): Promise<void> {
    if (!this.#canFallBack || this.description.symbolBytes === SYMBOL_BYTES) return Promise.resolve();
    this.#fallingBack ??= this.#makeOrdinary(why).finally(() => {
      this.#fallingBack = undefined;
    });
    return this.#fallingBack;
  }

  async #makeOrdinary(why: string): Promise<void> {
    let wire: StreamWire;
    try {
      wire = await this.#wireOf(SYMBOL_BYTES);
    } catch (error) {
      // Whom the large ones do not reach is served by unicast.
      this.#log.warn({ err: error }, "the stream keeps its large frames");
      return;
    }
    // It began meanwhile: those who are ready get the large ones.
    if (!this.#canFallBack) {
      wire.socket.close();
      return;
    }
    this.#emit();
    const before = { session: this.#session, socket: this.#socket };
    const finding = framesFinding(packetBytesOfSymbol(this.description.symbolBytes), why);
    this.#use(wire);
    this.#rate.pace = wire.socket.pace;
    for (const hold of this.#holds) hold.release = this.#session.hold(hold.reason);
    before.socket.close();
    this.#log.info({ why, receivers: before.session.receivers.length }, "the stream has ordinary frames from now on");
    this.#tellLan(finding);
    this.#wake();
  }

  #groupKeyFor(publicKey: string | undefined): KeyParcel | undefined {
    if (this.#sealed === undefined) return undefined;
    if (publicKey !== undefined) return this.#sealed.keyFor(publicKey);
    throw new Fault("STREAM_ENCRYPTED", {
      what: "This stream is encrypted, and the receiver did not ask for its key.",
      why: "It has an older version of bootcast, which does not know encrypted streams.",
      fix: 'Build the boot image anew ("bootcast boot-image build"), or send the stream without encryption.',
    });
  }

  #active(): Receiver[] {
    return this.#session.receivers.filter(isActive);
  }

  #onFeedback(bytes: Uint8Array): void {
    const feedback = decodeFeedback(bytes, this.#format);
    if (feedback !== undefined && this.#session.onFeedback(feedback, this.#now())) this.#wake();
  }

  #tellLan(finding: LanFinding | undefined): void {
    if (finding !== undefined) this.#onEvent({ type: "lan", finding });
  }

  #afterWord(): void {
    this.#emit();
    this.#wake();
  }

  #emit(): void {
    for (const event of this.#session.takeEvents()) {
      if (event.type === "burst") {
        const nameOf = (id: string) => this.#session.receiver(id)?.name ?? id;
        this.#tellLan(burstFinding(event.result, this.#rate.bytesPerSecond, nameOf));
        continue;
      }
      if (event.type === "state") this.#rate.onState(event.state === "streaming");
      if (event.type === "receiver") {
        this.#rate.onReceiver(event.receiver, this.#active().length);
        if (!isActive(event.receiver)) this.#plausible.forget(event.receiver.id);
      }
      this.#onEvent(event);
    }
  }

  async #run(): Promise<string> {
    // The owner must have this object before the first event.
    await nextTurn();
    let reason: string;
    try {
      reason = await this.#sendAll();
    } catch (error) {
      const fault = asFault(error);
      this.#log.error({ error: fault }, "the stream cannot go on");
      reason = fault.what;
      this.#session.stop(reason);
      this.#onEvent({ type: "problem", fault });
    } finally {
      this.#rate.close();
      this.#socket.close();
    }
    this.#emit();
    this.#log.info({ reason, refused: this.#socket.refused }, "stream over");
    this.#onEvent({ type: "over", reason });
    return reason;
  }

  async #sendAll(): Promise<string> {
    for (let inTurn = 0; ; ) {
      const now = this.#now();
      const pauseMs = this.#session.isOver ? 0 : this.#unicast.groupPauseMs(now);
      if (pauseMs > 0) {
        await this.#sleep(pauseMs);
        inTurn = 0;
        continue;
      }
      const action = this.#session.poll(now);
      this.#rate.limit(this.#session.rateCeilingBytesPerSecond);
      this.#emit();
      if (action.type === "over") return action.reason;
      if (action.type === "wait") {
        await this.#sleep(action.until - this.#now());
        inTurn = 0;
        continue;
      }
      const { kind, block, symbol, plannedParity, sequence, count } = action;
      if (kind !== PacketKind.canary && this.#held?.block !== block) {
        const bytes = await (kind === PacketKind.symbol ? this.#feed.block(block) : this.#feed.again(block));
        this.#held = { block, bytes };
      }
      const payload = this.#payloadOf(action);
      // Most go at once: waiting for a promise for each would cost more than sending it.
      const sending = this.#socket.send({ kind, block, symbol, plannedParity, sequence, payload }, count);
      this.#sent.add(count * (PACKET_HEADER_BYTES + this.#description.symbolBytes + FRAME_BYTES), now);
      if (sending !== undefined) await sending;
      inTurn += count;
      if (inTurn >= DATAGRAMS_PER_TURN) {
        await nextTurn();
        inTurn = 0;
      }
    }
  }

  #payloadOf({ kind, symbol, count }: SenderAction & { readonly type: "send" }): Uint8Array {
    if (kind === PacketKind.canary) return noBytes;
    const { symbolBytes, symbolsPerBlock } = this.#description;
    const { bytes } = this.#held!;
    if (symbol >= symbolsPerBlock) return this.#codec.encode(bytes, symbol);
    return bytes.subarray(symbol * symbolBytes, (symbol + count) * symbolBytes);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, Math.max(1, ms));
      const self = this;
      function done(): void {
        clearTimeout(timer);
        self.#wake = () => undefined;
        resolve();
      }
      this.#wake = done;
    });
  }
}
