import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger } from "pino";
import type { Joined, StreamInfo } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { KeyParcel } from "../../images/key-parcel.ts";
import type { Manifest } from "../../images/manifest.ts";
import type { PackReader } from "../../images/pack-reader.ts";
import type { StreamDescription } from "../../multicast/description.ts";
import { decodeFeedback } from "../../multicast/feedback.ts";
import type { StreamLayout } from "../../multicast/layout.ts";
import {
  FRAME_BYTES,
  PACKET_HEADER_BYTES,
  type PacketFormat,
  PacketKind,
  packetFormat,
} from "../../multicast/packet.ts";
import { ParityCodec } from "../../multicast/parity.ts";
import { type Aside, MOST_RECEIVERS, type Receiver, type ReceiverReport } from "../../multicast/roster.ts";
import type { SenderAction, SenderEvent, SenderSession } from "../../multicast/sender.ts";
import { SentMeter } from "../../multicast/sent-meter.ts";
import { asFault } from "./as-fault.ts";
import { BlockFeed } from "./block-feed.ts";
import { receiverFigures, type StreamFigures } from "./figures.ts";
import type { LanFinding } from "./lan-finding.ts";
import { burstFinding, FloodReports } from "./lan-reports.ts";
import type { SealedPacks } from "./sealed-packs.ts";
import type { MulticastSender } from "./socket.ts";
import type { StreamRate } from "./stream-rate.ts";

/** What a stream tells its owner. "over": nothing more is sent. "problem": why it had to end. */
export type StreamEvent =
  | Exclude<SenderEvent, { readonly type: "burst" }>
  /** What was found out about the network that it is sent into. */
  | { readonly type: "lan"; readonly finding: LanFinding }
  | { readonly type: "over"; readonly reason: string }
  | { readonly type: "problem"; readonly fault: Fault };

/** After so many datagrams in a row other work gets its turn, even when the rate asks for more than the machine can. */
const DATAGRAMS_PER_TURN = 64;

const noBytes = new Uint8Array();

/** One stream that runs on this server: its session, and the socket that does what the session says. */
export class RunningStream {
  readonly description: StreamDescription;
  readonly manifestBytes: Uint8Array;
  /** The key that signed the manifest, SPKI as PEM, for receivers that know no site key yet. */
  readonly signerPem: string;
  /** Resolves with the reason when the stream is over. */
  readonly ended: Promise<string>;
  readonly #manifest: Manifest;
  readonly #packs: PackReader;
  readonly #sealed: SealedPacks | undefined;
  readonly #blockCount: number;
  readonly #sent = new SentMeter();
  readonly #packOfDigest: ReadonlyMap<string, number>;
  readonly #session: SenderSession;
  readonly #feed: BlockFeed;
  readonly #format: PacketFormat;
  readonly #codec: ParityCodec;
  readonly #socket: MulticastSender;
  readonly #rate: StreamRate;
  readonly #flooding = new FloodReports();
  readonly #now: () => number;
  readonly #onEvent: (event: StreamEvent) => void;
  readonly #log: Logger;
  /** The block that was sent from last. */
  #held: { readonly block: number; readonly bytes: Uint8Array } | undefined;
  #wake: () => void = () => undefined;

  constructor(parts: {
    readonly description: StreamDescription;
    readonly layout: StreamLayout;
    readonly manifest: Manifest;
    readonly manifestBytes: Uint8Array;
    readonly signerPem: string;
    /** Sealed where the stream is encrypted. */
    readonly packs: PackReader;
    readonly sealed: SealedPacks | undefined;
    readonly session: SenderSession;
    readonly socket: MulticastSender;
    readonly rate: StreamRate;
    readonly now: () => number;
    readonly onEvent: (event: StreamEvent) => void;
    readonly log: Logger;
  }) {
    this.description = parts.description;
    this.manifestBytes = parts.manifestBytes;
    this.signerPem = parts.signerPem;
    this.#manifest = parts.manifest;
    this.#packs = parts.packs;
    this.#sealed = parts.sealed;
    this.#packOfDigest = new Map(
      parts.layout.packNumbers.map((number) => [parts.manifest.packs[number]!.digest, number]),
    );
    this.#blockCount = parts.layout.blockCount;
    this.#session = parts.session;
    this.#feed = new BlockFeed(parts.layout, parts.manifest, parts.packs);
    this.#format = packetFormat(parts.description);
    this.#codec = new ParityCodec(parts.description.symbolsPerBlock, parts.description.symbolBytes);
    this.#socket = parts.socket;
    this.#rate = parts.rate;
    this.#socket.onDatagram((bytes) => this.#onFeedback(bytes));
    this.#now = parts.now;
    this.#onEvent = parts.onEvent;
    this.#log = parts.log;
    this.ended = this.#run();
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

  /** @throws {Fault} PACK_UNKNOWN, or what the pack's source throws */
  async readPack(digest: string): Promise<Uint8Array> {
    const number = this.#packOfDigest.get(digest);
    if (number === undefined) {
      throw new Fault("PACK_UNKNOWN", {
        what: `This stream has no pack ${digest.slice(0, 16)}….`,
        why: "It is not part of the image that is sent.",
        fix: "Start the restore again.",
      });
    }
    return this.#packs.read(this.#manifest.packs[number]!, number);
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
  report(receiverId: string, report: ReceiverReport): void {
    const now = this.#now();
    if (!this.#session.report(receiverId, report, now)) {
      throw new Fault("RECEIVER_UNKNOWN", {
        what: "The server does not know this receiver.",
        why: "It never joined this stream, or the server was restarted since.",
        fix: "Start the restore again.",
      });
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
    const release = this.#session.hold(reason);
    this.#afterWord();
    return () => {
      release(this.#now());
      this.#afterWord();
    };
  }

  /** Nothing more is sent; receivers are told, and may fetch the rest by unicast while the stream is known. */
  stop(reason: string): void {
    this.#session.stop(reason);
    this.#afterWord();
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
    return this.#session.receivers.filter(({ state }) => ["joined", "ready", "receiving"].includes(state));
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
      if (event.type === "receiver") this.#rate.onReceiver(event.receiver, this.#active().length);
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
    const wireBytes = PACKET_HEADER_BYTES + this.description.symbolBytes + FRAME_BYTES;
    for (let inTurn = 0; ; inTurn += 1) {
      const now = this.#now();
      const action = this.#session.poll(now);
      this.#rate.limit(this.#session.rateCeilingBytesPerSecond);
      this.#emit();
      if (action.type === "over") return action.reason;
      if (action.type === "wait") {
        await this.#sleep(action.until - this.#now());
        inTurn = 0;
        continue;
      }
      const { kind, block, symbol, plannedParity, sequence } = action;
      if (kind !== PacketKind.canary && this.#held?.block !== block) {
        const bytes = await (kind === PacketKind.symbol ? this.#feed.block(block) : this.#feed.again(block));
        this.#held = { block, bytes };
      }
      const payload = this.#payloadOf(action);
      // Most go at once: waiting for a promise for each would cost more than sending it.
      const sending = this.#socket.send({ kind, block, symbol, plannedParity, sequence, payload });
      this.#sent.add(wireBytes, now);
      if (sending !== undefined) await sending;
      if (inTurn >= DATAGRAMS_PER_TURN) {
        await nextTurn();
        inTurn = 0;
      }
    }
  }

  #payloadOf({ kind, symbol }: SenderAction & { readonly type: "send" }): Uint8Array {
    if (kind === PacketKind.canary) return noBytes;
    const { symbolBytes, symbolsPerBlock } = this.description;
    const { bytes } = this.#held!;
    if (symbol >= symbolsPerBlock) return this.#codec.encode(bytes, symbol);
    return bytes.subarray(symbol * symbolBytes, (symbol + 1) * symbolBytes);
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
