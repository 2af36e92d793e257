import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger } from "pino";
import type { Join, Joined, StreamInfo } from "../../agent/contract.ts";
import type { Manifest } from "../../images/manifest.ts";
import type { PackReader } from "../../images/pack-reader.ts";
import { type StreamDescription, SYMBOL_BYTES } from "../../multicast/description.ts";
import { decodeFeedback } from "../../multicast/feedback.ts";
import { packetBytesOfSymbol } from "../../multicast/frame-size.ts";
import { packetFormat } from "../../multicast/packet.ts";
import type { Aside, Receiver, ReceiverReport } from "../../multicast/roster.ts";
import type { SenderSession } from "../../multicast/sender.ts";
import { SentMeter } from "../../multicast/sent-meter.ts";
import { asFault } from "./as-fault.ts";
import type { StreamFigures } from "./figures.ts";
import { JoinLimit } from "./join-limit.ts";
import type { LanFinding } from "./lan-finding.ts";
import { burstFinding, framesFinding } from "./lan-reports.ts";
import { groupKeyFor, type SealedPacks } from "./sealed-packs.ts";
import type { StreamEvent } from "./stream-event.ts";
import { streamFull } from "./stream-faults.ts";
import { StreamFrames } from "./stream-frames.ts";
import { StreamHolds } from "./stream-holds.ts";
import { StreamPump } from "./stream-pump.ts";
import type { StreamRate } from "./stream-rate.ts";
import { StreamReports } from "./stream-reports.ts";
import { streamFigures, streamInfo } from "./stream-views.ts";
import type { StreamWire } from "./stream-wire.ts";
import { TailSigner } from "./tail-signer.ts";
import { type LentPack, type PackAsker, UnicastPacks } from "./unicast-packs.ts";

/**
 * One stream that runs on this server: what receivers and people ask of it, and what they are told. Its session decides
 * what is sent (multicast/sender.ts), and its pump sends it.
 */
export class RunningStream {
  readonly manifestBytes: Uint8Array;
  /** The key that signed the manifest, SPKI as PEM, for receivers that know no site key yet. */
  readonly signerPem: string;
  /** Asked before `join`. */
  readonly joinLimit = new JoinLimit();
  /** Resolves with the reason when the stream is over. */
  readonly ended: Promise<string>;
  readonly #manifest: Manifest;
  readonly #sealed: SealedPacks | undefined;
  readonly #sent = new SentMeter();
  readonly #tailSigner = new TailSigner();
  readonly #frames: StreamFrames;
  readonly #pump: StreamPump;
  readonly #unicast: UnicastPacks;
  readonly #holds = new StreamHolds();
  readonly #rate: StreamRate;
  readonly #reports: StreamReports;
  readonly #now: () => number;
  readonly #onEvent: (event: StreamEvent) => void;
  readonly #log: Logger;

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
    this.#sealed = parts.sealed;
    this.#rate = parts.rate;
    this.#reports = new StreamReports(parts.rate, this.joinLimit);
    this.#now = parts.now;
    this.#onEvent = parts.onEvent;
    this.#log = parts.log;
    const { wire, wireOf, manifest, packs, rate, now } = parts;
    const sent = this.#sent;
    this.#unicast = new UnicastPacks({
      layout: wire.layout,
      manifest,
      packs,
      rate,
      isGroupBusy: () => this.#session.hasSymbolsToSend,
      now,
    });
    this.#pump = new StreamPump({
      wire,
      manifest,
      packs,
      rate,
      sent,
      tailSigner: this.#tailSigner,
      groupPauseMs: (at) => this.#unicast.groupPauseMs(at),
      afterPoll: () => this.#emit(),
      now,
    });
    const onOrdinary = (before: StreamWire, why: string) => this.#onOrdinary(before, why);
    this.#frames = new StreamFrames({ wire, wireOf, onOrdinary, log: parts.log });
    this.#hear(wire);
    this.ended = this.#run();
  }

  /** Its `symbolBytes` may become less before the first symbol is sent. */
  get description(): StreamDescription {
    return this.#frames.wire.description;
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
    return streamInfo(this.#frames.wire, this.#manifest, this.state);
  }

  /** What it does now, for people and programs. */
  figures(): StreamFigures {
    const now = this.#now();
    return streamFigures(this.#frames.wire, this.#manifest, { rate: this.#rate, sent: this.#sent, now });
  }

  /**
   * A pack for who fetches it by unicast, when the stream's rate allows it.
   *
   * @throws {Fault} PACK_UNKNOWN, UNICAST_BUSY, or what the pack's source throws
   */
  readPack(digest: string, asker: PackAsker): Promise<LentPack> {
    return this.#unicast.read(digest, asker);
  }

  /**
   * The description for who understands symbols of so many bytes, and no larger ones: while the stream has not begun,
   * it becomes one of ordinary frames for that.
   */
  async infoFor(mostSymbolBytes = SYMBOL_BYTES): Promise<StreamInfo> {
    await this.#frames.fit(mostSymbolBytes);
    return this.info();
  }

  /**
   * Before `join`: receiver and stream go by the same symbols. One whose card does not carry the stream's frames makes
   * a stream that has not begun one of ordinary frames; one that has begun serves it by unicast, once it says so.
   *
   * @throws {Fault} STREAM_DESCRIBED_ANEW when the receiver goes by another description
   */
  agreeOn(join: Join): Promise<void> {
    return this.#frames.agreeOn(join);
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
    const groupKey = this.#sealed && groupKeyFor(this.#sealed, publicKey);
    const receiverId = randomUUID();
    if (!this.#session.join(receiverId, name, hostId, this.#now(), needs)) throw streamFull();
    this.#afterWord();
    const { address: feedbackAddress, port: feedbackPort } = this.#frames.wire.socket.requests;
    const { publicKey: tailKey } = this.#tailSigner;
    return { receiverId, feedbackAddress, feedbackPort, tailKey, ...(groupKey === undefined ? {} : { groupKey }) };
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
    const { receiver, finding } = this.#reports.take(this.#session, receiverId, said, this.#now());
    if (said.lacksFrames === true && this.description.symbolBytes > SYMBOL_BYTES) {
      void this.#frames.fallBack(`${receiver.name} gets nothing`);
    }
    this.#tellLan(finding);
    this.#afterWord();
  }

  /** Waits for no more hosts than these before it starts: the others will not come. */
  expectAtMost(hosts: number): void {
    this.#session.expectAtMost(hosts);
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
    const release = this.#holds.hold(this.#session, reason);
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

  get #session(): SenderSession {
    return this.#frames.wire.session;
  }

  #hear({ description, session, socket }: StreamWire): void {
    const format = packetFormat(description);
    const voiceOf = (receiverId: string) => this.#reports.voiceOf(receiverId);
    socket.onDatagram((bytes) => {
      const feedback = decodeFeedback(bytes, format);
      if (feedback !== undefined && session.onFeedback(feedback, this.#now(), voiceOf)) this.#pump.wake();
    });
  }

  #onOrdinary(before: StreamWire, why: string): void {
    const { wire } = this.#frames;
    this.#emit(before.session);
    this.#hear(wire);
    this.#pump.use(wire);
    this.#rate.pace = wire.socket.pace;
    this.#holds.moveTo(wire.session);
    before.socket.close();
    this.#log.info({ why, receivers: before.session.receivers.length }, "the stream has ordinary frames from now on");
    this.#tellLan(framesFinding(packetBytesOfSymbol(before.description.symbolBytes), why));
    this.#pump.wake();
  }

  #tellLan(finding: LanFinding | undefined): void {
    if (finding !== undefined) this.#onEvent({ type: "lan", finding });
  }

  #afterWord(): void {
    this.#emit();
    this.#pump.wake();
  }

  #emit(session = this.#session): void {
    for (const event of session.takeEvents()) {
      if (event.type === "burst") {
        const nameOf = (id: string) => session.receiver(id)?.name ?? id;
        this.#tellLan(burstFinding(event.result, this.#rate.bytesPerSecond, nameOf));
        this.#rate.onBurst(event.result, this.#now());
        continue;
      }
      if (event.type === "state") this.#rate.onState(event.state === "streaming");
      if (event.type === "receiver") this.#reports.onReceiver(session, event.receiver);
      this.#onEvent(event);
    }
  }

  async #run(): Promise<string> {
    // The owner must have this object before the first event.
    await nextTurn();
    let reason: string;
    try {
      reason = await this.#pump.run();
    } catch (error) {
      const fault = asFault(error);
      this.#log.error({ error: fault }, "the stream cannot go on");
      reason = fault.what;
      this.#session.stop(reason);
      this.#onEvent({ type: "problem", fault });
    } finally {
      this.#rate.close();
      this.#frames.wire.socket.close();
    }
    this.#emit();
    this.#log.info({ reason, refused: this.#frames.wire.socket.refused }, "stream over");
    this.#onEvent({ type: "over", reason });
    return reason;
  }
}
