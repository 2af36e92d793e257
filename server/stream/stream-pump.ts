import { setImmediate as nextTurn } from "node:timers/promises";
import type { Manifest } from "../../images/manifest.ts";
import type { PackReader } from "../../images/pack-reader.ts";
import { FRAME_BYTES, PACKET_HEADER_BYTES, PacketKind } from "../../multicast/packet.ts";
import { ParityCodec } from "../../multicast/parity.ts";
import type { SenderAction } from "../../multicast/sender.ts";
import type { SentMeter } from "../../multicast/sent-meter.ts";
import { BlockFeed } from "./block-feed.ts";
import type { StreamRate } from "./stream-rate.ts";
import type { StreamWire } from "./stream-wire.ts";
import type { TailSigner } from "./tail-signer.ts";

/** After so many datagrams in a row other work gets its turn, even when the rate asks for more than the machine can. */
const DATAGRAMS_PER_TURN = 256;

const noBytes = new Uint8Array();

/** What a stream is sent by, made for the size of its symbols. */
type Tools = { readonly wire: StreamWire; readonly feed: BlockFeed; readonly codec: ParityCodec };

/**
 * Does what a stream's session says: it waits, reads blocks, computes parity, and hands datagrams to what sends them.
 * It decides nothing.
 */
export class StreamPump {
  readonly #manifest: Manifest;
  readonly #packs: PackReader;
  readonly #rate: StreamRate;
  readonly #sent: SentMeter;
  readonly #tailSigner: TailSigner;
  readonly #groupPauseMs: (now: number) => number;
  readonly #afterPoll: () => void;
  readonly #now: () => number;
  #tools!: Tools;
  /** The block that was sent from last. */
  #held: { readonly block: number; readonly bytes: Uint8Array } | undefined;
  #wake: () => void = () => undefined;

  constructor(parts: {
    readonly wire: StreamWire;
    readonly manifest: Manifest;
    readonly packs: PackReader;
    readonly rate: StreamRate;
    /** Counts what is sent. */
    readonly sent: SentMeter;
    readonly tailSigner: TailSigner;
    /** How long the group leaves the wire to others. */
    readonly groupPauseMs: (now: number) => number;
    /** The session may have something to tell. */
    readonly afterPoll: () => void;
    readonly now: () => number;
  }) {
    this.#manifest = parts.manifest;
    this.#packs = parts.packs;
    this.#rate = parts.rate;
    this.#sent = parts.sent;
    this.#tailSigner = parts.tailSigner;
    this.#groupPauseMs = parts.groupPauseMs;
    this.#afterPoll = parts.afterPoll;
    this.#now = parts.now;
    this.use(parts.wire);
  }

  /** From now on it sends by this. */
  use(wire: StreamWire): void {
    const { symbolsPerBlock, symbolBytes } = wire.description;
    const feed = new BlockFeed(wire.layout, this.#manifest, this.#packs);
    this.#tools = { wire, feed, codec: new ParityCodec(symbolsPerBlock, symbolBytes) };
    this.#held = undefined;
  }

  /** The session may want something else than it wanted before. */
  wake(): void {
    this.#wake();
  }

  /** Sends until the session says that it is over, and why. */
  async run(): Promise<string> {
    try {
      return await this.#sendAll();
    } finally {
      this.#held = undefined;
      this.#tools.feed.close();
    }
  }

  async #sendAll(): Promise<string> {
    for (let inTurn = 0; ; ) {
      const now = this.#now();
      const { session } = this.#tools.wire;
      const pauseMs = session.isOver ? 0 : this.#groupPauseMs(now);
      if (pauseMs > 0) {
        await this.#sleep(pauseMs);
        inTurn = 0;
        continue;
      }
      const action = session.poll(now);
      this.#rate.limit(session.rateCeilingBytesPerSecond);
      this.#afterPoll();
      if (action.type === "over") return action.reason;
      if (action.type === "wait") {
        await this.#sleep(action.until - this.#now());
        inTurn = 0;
        continue;
      }
      // Most go at once: waiting for a promise for each would cost more than sending it.
      const sending = this.#isHeld(action) ? this.#send(action, now) : this.#readAndSend(action, now);
      if (sending !== undefined) await sending;
      inTurn += action.count;
      if (inTurn >= DATAGRAMS_PER_TURN) {
        await nextTurn();
        inTurn = 0;
      }
    }
  }

  #isHeld({ kind, block }: Send): boolean {
    return kind === PacketKind.canary || this.#held?.block === block;
  }

  async #readAndSend(action: Send, now: number): Promise<void> {
    const { kind, block } = action;
    const { feed } = this.#tools;
    const bytes = await (kind === PacketKind.symbol ? feed.block(block) : feed.again(block));
    this.#held = { block, bytes };
    await this.#send(action, now);
  }

  #send(action: Send, now: number): Promise<void> | undefined {
    const { kind, block, symbol, plannedParity, sequence, count } = action;
    const { socket, description } = this.#tools.wire;
    const payload = this.#payloadOf(action);
    const sending = socket.send({ kind, block, symbol, plannedParity, sequence, payload }, count);
    const bytes = count * (PACKET_HEADER_BYTES + description.symbolBytes + FRAME_BYTES);
    this.#sent.add(bytes, now);
    this.#rate.onSent(bytes);
    return sending;
  }

  #payloadOf(action: Send): Uint8Array {
    const { kind, block, symbol, count } = action;
    const { description, layout } = this.#tools.wire;
    const { symbolBytes, symbolsPerBlock } = description;
    if (kind === PacketKind.canary)
      return block > 0 && block === layout.blockCount ? this.#tailSigner.sign(action) : noBytes;
    const { bytes } = this.#held!;
    if (symbol >= symbolsPerBlock) return this.#tools.codec.encode(bytes, symbol);
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

type Send = SenderAction & { readonly type: "send" };
