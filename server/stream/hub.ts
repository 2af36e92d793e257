import { createHash, type KeyObject, randomBytes } from "node:crypto";
import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import type { Manifest } from "../../images/manifest.ts";
import type { PackReader } from "../../images/pack-reader.ts";
import { SEAL_BYTES } from "../../images/sealed-pack.ts";
import { type StreamDescription, SYMBOL_BYTES, symbolsPerBlockOf } from "../../multicast/description.ts";
import { checkGroup } from "../../multicast/group.ts";
import { StreamLayout } from "../../multicast/layout.ts";
import { packetFormat } from "../../multicast/packet.ts";
import type { RateMode } from "../../multicast/rate-control.ts";
import { SenderSession } from "../../multicast/sender.ts";
import { InterfaceBudgets } from "./interface-budgets.ts";
import type { LanGuard, PreparedLan } from "./lan-guard.ts";
import { RunningStream } from "./running-stream.ts";
import { sealedPacks } from "./sealed-packs.ts";
import type { SendFence } from "./send-fence.ts";
import { openMulticastSender } from "./socket.ts";
import type { StreamEvent } from "./stream-event.ts";
import { StreamRate } from "./stream-rate.ts";
import type { StreamWire } from "./stream-wire.ts";

export { RunningStream } from "./running-stream.ts";
export type { StreamEvent } from "./stream-event.ts";

export const DEFAULT_TTL = 3;

/** After the pass of a `once` stream: over when no receiver got any further for so long. */
const DEFAULT_IDLE_END_MS = 5 * 60_000;

/** A stream that is over stays known for so long: its last receivers fetch their rest by unicast. */
const KEPT_AFTER_END_MS = 10 * 60_000;

/** Before the first symbol of a stream that looks at its network; answers come with the receivers' reports. */
const BURST = { datagrams: 64, waitMs: 1_500 };

export type StreamOptions = {
  /** Goes on under this id, after a restart of the server; a new one unless given. */
  readonly streamId?: string;
  readonly manifest: Manifest;
  /** The signed manifest as receivers will get it. */
  readonly manifestBytes: Uint8Array;
  /** The public key that signed it, for receivers that know no site key yet. */
  readonly signer: KeyObject;
  readonly packs: PackReader;
  readonly group: string;
  readonly port: number;
  /** An own IPv4 address; its interface sends the stream. */
  readonly interfaceAddress: string;
  /** Most bytes per second on the wire, all headers included. */
  readonly rateBytesPerSecond: number;
  /** How it goes about others on the network; "fixed" unless told. */
  readonly mode?: RateMode;
  /** Starts when so many receivers are ready. */
  readonly waitFor: number;
  /** Starts so long after the first is ready, with those who are; 0 waits for all. */
  readonly maxWaitMs: number;
  /** One pass only, then unicast until every receiver has reported. Otherwise it loops while there are receivers. */
  readonly once: boolean;
  /** A receiver that is the only one is served by unicast; by the group unless told. */
  readonly isOneByUnicast?: boolean;
  /** Encrypts the stream, with a key that follows from this server's secret; see sealed-packs.ts. */
  readonly encrypt?: { readonly secret: Uint8Array };
  /** Passes that are sent to nobody after the last receiver, before it waits for the next one; none unless told. */
  readonly loopSuspend?: number;
  readonly ttl?: number;
  readonly idleEndMs?: number;
  /** Also deliver to receivers on this machine; default true. */
  readonly loopback?: boolean;
  /** Looks at the network before the first byte, and holds the stream while it suffers; may choose another group. */
  readonly lan?: LanGuard;
  /** For tests: as if the optional package were not installed. */
  readonly withoutKoffi?: boolean;
  /** Larger than SYMBOL_BYTES: where the network has such frames, and until a host shows that they do not reach it. */
  readonly symbolBytes?: number;
  /** Starts of passes, changes of state and of receivers, the end. */
  readonly onEvent?: (event: StreamEvent) => void;
};

/** All streams of this process. */
export type StreamHub = {
  /** Opens a stream: it waits for receivers. @throws {Fault} GROUP_REFUSED, INTERFACE_UNKNOWN, those of `lan` */
  create(options: StreamOptions): Promise<RunningStream>;
  /** @throws {Fault} STREAM_UNKNOWN */
  get(streamId: string): RunningStream;
  /** Streams that receivers can join. */
  list(): readonly RunningStream[];
  /** Stops all streams and waits until they are over. */
  close(): Promise<void>;
};

/**
 * @param options.budgetBytesPerSecond what all streams of one interface send together; see InterfaceBudgets
 * @param options.fence nothing is sent while it is closed: another server may send the same streams then
 */
export function openStreamHub(options: {
  readonly log: Logger;
  readonly budgetBytesPerSecond?: number;
  readonly fence?: SendFence | undefined;
}): StreamHub {
  const now = () => performance.now();
  const streams = new Map<string, RunningStream>();
  const budgets = new InterfaceBudgets(options.budgetBytesPerSecond);
  return {
    async create(asked) {
      checkGroup(asked.group);
      const lan = await prepareLan(asked);
      const wanted = lan === undefined ? asked : { ...asked, group: lan.group };
      const streamId = wanted.streamId ?? randomBytes(8).toString("hex");
      const log = options.log.child({ stream: streamId, image: wanted.manifest.tag.name });
      const wireOf = (symbolBytes: number) => openWire({ ...wanted, streamId, symbolBytes }, log, options.fence);
      const wire = await wireOf(wanted.symbolBytes ?? SYMBOL_BYTES).catch((error: unknown) => {
        lan?.close();
        throw error;
      });
      const rate = new StreamRate({
        mode: wanted.mode ?? "fixed",
        ceilingBytesPerSecond: wanted.rateBytesPerSecond,
        pace: wire.socket.pace,
        shared: budgets.of(wanted.interfaceAddress),
        now: now(),
      });
      const { manifest, manifestBytes, encrypt } = wanted;
      const sealed = encrypt === undefined ? undefined : sealedPacks(wanted.packs, streamId, encrypt.secret);
      const signerPem = wanted.signer.export({ type: "spki", format: "pem" }).toString();
      const onEvent = wanted.onEvent ?? (() => undefined);
      const parts = {
        wire,
        wireOf,
        manifest,
        manifestBytes,
        signerPem,
        packs: sealed?.packs ?? wanted.packs,
        sealed,
        rate,
        now,
        onEvent,
        log,
      };
      const stream = new RunningStream(parts);
      streams.set(stream.streamId, stream);
      log.info(
        { group: wanted.group, port: wanted.port, rateBytesPerSecond: wanted.rateBytesPerSecond },
        "stream open",
      );
      const watch = lan?.watch(stream, (finding) => onEvent({ type: "lan", finding }));
      void stream.ended.then(() => watch?.close());
      const forget = () => {
        // Another one may go on under its id by then.
        if (streams.get(streamId) === stream) streams.delete(streamId);
      };
      void stream.ended.then(() => setTimeout(forget, KEPT_AFTER_END_MS).unref());
      return stream;
    },
    get(streamId) {
      const stream = streams.get(streamId);
      if (stream !== undefined) return stream;
      throw new Fault("STREAM_UNKNOWN", {
        what: `There is no stream ${streamId} on this server.`,
        why: "It ended a while ago, or the server was restarted.",
        fix: "Ask for the list of streams again, or start a new one.",
      });
    },
    list() {
      return [...streams.values()].filter((stream) => !stream.isOver);
    },
    async close() {
      const open = [...streams.values()];
      for (const stream of open) stream.stop("the server is shutting down");
      await Promise.all(open.map((stream) => stream.ended));
      streams.clear();
    },
  };
}

async function prepareLan(wanted: StreamOptions): Promise<PreparedLan | undefined> {
  const { lan, group, port, interfaceAddress, rateBytesPerSecond, ttl = DEFAULT_TTL } = wanted;
  const isResumed = wanted.streamId !== undefined;
  return lan?.prepare({ group, port, interfaceAddress, rateBytesPerSecond, ttl, isResumed });
}

type WiredStream = StreamOptions & { readonly streamId: string; readonly symbolBytes: number };

async function openWire(wanted: WiredStream, log: Logger, fence: SendFence | undefined): Promise<StreamWire> {
  const description = describe(wanted);
  const layout = new StreamLayout(description, wanted.manifest.packs);
  const socket = await openMulticastSender({
    group: wanted.group,
    port: wanted.port,
    interfaceAddress: wanted.interfaceAddress,
    ttl: wanted.ttl ?? DEFAULT_TTL,
    loopback: wanted.loopback ?? true,
    format: packetFormat(description),
    rateBytesPerSecond: wanted.rateBytesPerSecond,
    fence: fence?.memory,
    log,
    ...(wanted.withoutKoffi === undefined ? {} : { withoutKoffi: wanted.withoutKoffi }),
  });
  const session = new SenderSession(layout, socket.pace, {
    firstSequence: randomBytes(4).readUInt32BE(),
    waitFor: wanted.waitFor,
    maxWaitMs: wanted.maxWaitMs,
    once: wanted.once,
    ...(wanted.isOneByUnicast === undefined ? {} : { isOneByUnicast: wanted.isOneByUnicast }),
    idleEndMs: wanted.idleEndMs ?? DEFAULT_IDLE_END_MS,
    loopSuspend: wanted.loopSuspend ?? 0,
    ...(wanted.lan === undefined ? {} : { burst: BURST }),
  });
  return { description, layout, session, socket };
}

function describe(wanted: WiredStream): StreamDescription {
  const { packs } = wanted.manifest;
  const sealBytes = wanted.encrypt === undefined ? 0 : SEAL_BYTES;
  return {
    streamId: wanted.streamId,
    manifestDigest: createHash("sha256").update(wanted.manifestBytes).digest("hex"),
    group: wanted.group,
    port: wanted.port,
    symbolBytes: wanted.symbolBytes,
    symbolsPerBlock: symbolsPerBlockOf(wanted.symbolBytes),
    packs: packs.length === 0 ? [] : [[0, packs.length]],
    ...(wanted.encrypt === undefined ? {} : { isSealed: true }),
    streamBytes: packs.reduce((sum, { storedBytes }) => sum + storedBytes + sealBytes, 0),
    rateBytesPerSecond: wanted.rateBytesPerSecond,
  };
}
