import { type Static, Type } from "typebox";
import { oneOf } from "../disk/disk.ts";

/**
 * "open": joining, or held for a while: canaries are sent; "streaming"; "ended": only unicast and the receivers' last
 * words.
 */
export const StreamState = Type.Union([Type.Literal("open"), Type.Literal("streaming"), Type.Literal("ended")]);
export type StreamState = Static<typeof StreamState>;

export const StreamInfo = Type.Object({
  description: Type.Object({
    streamId: Type.String(),
    manifestDigest: Type.String(),
    group: Type.String(),
    port: Type.Number(),
    symbolBytes: Type.Number(),
    symbolsPerBlock: Type.Number(),
    packs: Type.Array(Type.Tuple([Type.Number(), Type.Number()])),
    isSealed: Type.Optional(Type.Boolean()),
    streamBytes: Type.Number(),
    rateBytesPerSecond: Type.Number(),
  }),
  image: Type.String(),
  imageVersion: Type.Number(),
  diskBytes: Type.Number(),
  state: StreamState,
  receivers: Type.Number(),
});
export type StreamInfo = Static<typeof StreamInfo>;

/**
 * The largest symbol that the asking agent understands, in the query of a stream's description. An older agent names
 * none: a stream that has not begun is then made one that it understands.
 */
export const DescriptionQuery = Type.Object({ mostSymbolBytes: Type.Optional(Type.Integer({ minimum: 1 })) });

export const StreamList = Type.Object({ streams: Type.Array(StreamInfo) });
export type StreamList = Static<typeof StreamList>;

/** Runs of blocks in a `Join`: 140 KB of JSON. */
export const MOST_NEEDS = 10_000;

export const Join = Type.Object({
  /** The registered host, when there is one (a restore from the command line has none). */
  hostId: Type.Optional(Type.String()),
  name: Type.String({ maxLength: 255, pattern: "^[^\\p{Cc}]*$" }),
  /** X25519, SPKI, base64: the key of an encrypted stream is packed for it. */
  publicKey: Type.Optional(Type.String({ maxLength: 200 })),
  /** The description that `needs` goes by; that of ordinary frames when absent: an older agent does not say. */
  symbolBytes: Type.Optional(Type.Integer({ minimum: 1 })),
  /** What its card carries in one packet of IP; absent where the system does not say. */
  mtuBytes: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Runs of blocks [first, count] that it lacks; all when absent. */
  needs: Type.Optional(
    Type.Array(Type.Tuple([Type.Integer({ minimum: 0 }), Type.Integer({ minimum: 1 })]), { maxItems: MOST_NEEDS }),
  ),
});
export type Join = Static<typeof Join>;

export const Joined = Type.Object({
  receiverId: Type.String(),
  /** Where requests for repairs go by UDP: see multicast/feedback.ts. */
  feedbackAddress: Type.String(),
  feedbackPort: Type.Integer({ minimum: 1, maximum: 65_535 }),
  /** Ed25519, SPKI, base64: what signs how long a room's pause is at the end of a pass, multicast/tail-proofs.ts. */
  tailKey: Type.Optional(Type.String()),
  /** The key of an encrypted stream, for `publicKey` alone: images/key-parcel.ts. */
  groupKey: Type.Optional(Type.Object({ publicKey: Type.String(), text: Type.String() })),
});
export type Joined = Static<typeof Joined>;

/** Many of them still sum up to a number; anybody can report. */
const Count = Type.Number({ minimum: 0, maximum: 1e12 });

/** Sent at every change of `state` and at most every second while receiving; silence for 60 s means lost. */
export const Progress = Type.Object({
  state: oneOf(["joined", "ready", "receiving", "done", "failed", "left"]),
  packsDone: Count,
  packsTotal: Count,
  /** Symbols received and known to be lost since the last report. */
  symbolsReceived: Count,
  symbolsLost: Count,
  /** Of the canaries before the first symbol, since the last report. */
  canary: Type.Optional(Type.Object({ received: Count, lost: Count })),
  /** Whether the group arrived before this machine had asked for it: a switch floods. Absent: not known. */
  isFlooded: Type.Optional(Type.Boolean()),
  /** For seconds nothing has come of a stream with frames larger than ordinary ones. */
  lacksFrames: Type.Optional(Type.Boolean()),
  /** What arrived waits for the disk, and there is no room for more. */
  waitsForDisk: Type.Optional(Type.Boolean()),
  /** What the disk took lately, while it was busy. */
  writeBytesPerSecond: Type.Optional(Count),
  /** How long datagrams waited on their way just now, above the least of the last minutes: multicast/delay-meter.ts. */
  delayMs: Type.Optional(Type.Number({ minimum: 0, maximum: 60_000 })),
  /** A map of the blocks that it lacks, runs [first, count]: multicast/missing-map.ts. Every few seconds. */
  missing: Type.Optional(
    Type.Array(Type.Tuple([Type.Integer({ minimum: 0 }), Type.Integer({ minimum: 1 })]), { maxItems: 64 }),
  ),
});
export type Progress = Static<typeof Progress>;

export const ProgressAnswer = Type.Object({
  streamState: StreamState,
  /** What the stream waits for, "1 of 2 hosts ready"; empty while streaming. */
  waitingFor: Type.String(),
  /** How often the receiver may ask for repairs. */
  feedbackEveryMs: Type.Number({ minimum: 1 }),
  /** How often it is to report from now on; every second unless told. */
  reportEveryMs: Type.Optional(Type.Number({ minimum: 100 })),
  /** The room does not wait for this receiver: it is to fetch what it lacks by unicast. */
  isServedByUnicast: Type.Optional(Type.Boolean()),
  /** Why it is not served with the others, "its link loses 30 %: the rest by unicast"; absent when it is. */
  why: Type.Optional(Type.String()),
});
export type ProgressAnswer = Static<typeof ProgressAnswer>;
