import { type Static, Type } from "typebox";
import { Disk, oneOf } from "./disk.ts";

export { Disk, Held } from "./disk.ts";
/** The rules' spelling is a part of what both sides say; the server shows early what the agent will decide. */
export { chooseDisk, type DiskNeed, describeDisk } from "./disk-choice.ts";
export { contentText } from "./disk-content.ts";
export { DEFAULT_DISK_RULE, parseDiskRule } from "./disk-rule.ts";

/**
 * What server and agent say to each other: HTTP under `/agent/v1`, JSON bodies.
 * The only file of `agent/` that `server/` may import.
 *
 *   POST /agent/v1/hosts                                Inventory      ► Registration
 *   GET  /agent/v1/hosts/:hostId/order?waitSeconds=N                   ► Order   (long poll, N <= 25)
 *   POST /agent/v1/hosts/:hostId/reports                Report         ► ReportAnswer
 *   POST /agent/v1/hosts/:hostId/captures/:deployId/cells              ids of cells ► CellAnswers
 *   POST /agent/v1/hosts/:hostId/captures/:deployId/packs              a parcel ► KeptPack
 *   PUT  /agent/v1/hosts/:hostId/captures/:deployId/manifest/:offset   a piece, in order ► ManifestPiece
 *   POST /agent/v1/hosts/:hostId/captures/:deployId/finish    FinishCapture ► CaptureState (answers within 20 s)
 *   GET  /agent/v1/streams                                             ► StreamList
 *   GET  /agent/v1/streams/:streamId?mostSymbolBytes=N                 ► StreamInfo
 *   GET  /agent/v1/streams/:streamId/manifest                          ► bytes of the signed manifest
 *   GET  /agent/v1/streams/:streamId/key                               ► the key that signed it, SPKI as PEM
 *   GET  /agent/v1/streams/:streamId/packs/:digest                     ► bytes of one pack
 *   POST /agent/v1/streams/:streamId/receivers          Join           ► Joined
 *   POST /agent/v1/streams/:streamId/receivers/:id      Progress       ► ProgressAnswer
 *
 * Every request about one host carries `Authorization: Bearer <token>` from its Registration.
 * An error answer is the Fault as JSON: { code, what, why, fix }.
 */

/**
 * What an agent understands, said in its Inventory: 1 or nothing, deploys; 2, captures too; 3, what an order says of
 * the disk. A server gives an agent no order that it would not understand.
 */
export const CONTRACT_VERSION = 3;
export const CAPTURES_SINCE = 2;
/** Rules for choosing a disk, ways to erase it, and what it may hold. */
export const DISK_TERMS_SINCE = 3;

/** Scripts that run when the disk is restored. */
export const SCRIPTS_SINCE = 3;

/** DNS-SD: `_bootcast._tcp`, TXT records v, key, priority. */
export const SERVICE_TYPE = "bootcast";
export const SERVICE_VERSION = "1";
/** DNS-SD of a single stream, `_bootcast-stream._tcp`: TXT records v, key, image. */
export const STREAM_SERVICE_TYPE = "bootcast-stream";

/** One word each; the same on the client's screen, in the API and on the pages. */
export const agentStates = [
  "booting",
  "finding",
  "registering",
  "waiting",
  "preflight",
  "capturing",
  "erasing",
  "receiving",
  "verifying",
  "naming",
  "finishing",
  "rebooting",
  "done",
  "failed",
] as const;
export type AgentState = (typeof agentStates)[number];
const State = oneOf(agentStates);

const Nic = Type.Object({
  name: Type.String(),
  mac: Type.String(),
  /** Mbit/s; absent when the driver does not say. */
  linkMegabits: Type.Optional(Type.Number()),
});

export const Inventory = Type.Object({
  /** The address of the card the machine booted from, lower case with colons. */
  mac: Type.String({ pattern: "^([0-9a-f]{2}:){5}[0-9a-f]{2}$" }),
  /** SMBIOS system UUID in lower case; empty when the firmware has none. */
  uuid: Type.String(),
  serial: Type.String(),
  vendor: Type.String(),
  model: Type.String(),
  firmware: Type.Union([Type.Literal("bios"), Type.Literal("uefi")]),
  memoryBytes: Type.Number(),
  cpuCount: Type.Number(),
  nics: Type.Array(Nic),
  disks: Type.Array(Disk),
  agentVersion: Type.String(),
  /** What a DHCP server called this machine (option 12). */
  dhcpName: Type.Optional(Type.String({ maxLength: 255 })),
  /** CONTRACT_VERSION of the agent. */
  contract: Type.Optional(Type.Integer({ minimum: 1 })),
});
export type Inventory = Static<typeof Inventory>;

export const Registration = Type.Object({
  hostId: Type.String(),
  /** The name the server gave this host, "lab-01". */
  name: Type.String(),
  token: Type.String(),
});
export type Registration = Static<typeof Registration>;

/** How a disk is erased before it is written: agent/erase-plan.ts. */
export const eraseMethods = ["quick", "discard", "zeros", "secure", "none"] as const;
export type EraseMethod = (typeof eraseMethods)[number];

/** What an order says of the disk. */
export const OrderTerms = Type.Object({
  /** Which one: agent/disk-rule.ts. */
  disk: Type.String(),
  erase: oneOf(eraseMethods),
  /** What a person saw on this host's disks when the order was given; texts of agent/disk-content.ts. */
  confirmed: Type.Array(Type.String()),
  /** What its disk held after its last restore; empty: there was none. */
  known: Type.String(),
});
export type OrderTerms = Static<typeof OrderTerms>;

/** A person's own script, which runs on the client when its disk is restored and named. */
export const OrderScript = Type.Object({
  name: Type.String({ maxLength: 100 }),
  /** For /bin/sh of the boot image. */
  text: Type.String(),
  /** It is ended then. */
  mostSeconds: Type.Number({ minimum: 1, maximum: 86_400 }),
});
export type OrderScript = Static<typeof OrderScript>;

/** The scripts of an order, and the site key's signature of `scriptsText`: nobody on the way may put in others. */
export const OrderScripts = Type.Object({ list: Type.Array(OrderScript, { maxItems: 32 }), permit: Type.String() });
export type OrderScripts = Static<typeof OrderScripts>;

/** How a script ended. */
export const ScriptResult = Type.Object({
  name: Type.String({ maxLength: 100 }),
  ended: oneOf(["exited", "timed out", "stopped"]),
  /** Its exit code; null: a signal ended it. */
  code: Type.Union([Type.Number(), Type.Null()]),
  seconds: Type.Number(),
  /** The end of what it said, stdout and stderr as they came. */
  output: Type.String({ maxLength: 64 * 1024 }),
});
export type ScriptResult = Static<typeof ScriptResult>;

/** What the host is to do now. `reason` is shown on the client's screen. */
export const Order = Type.Union([
  Type.Object({ kind: Type.Literal("wait"), reason: Type.String() }),
  Type.Object({ kind: Type.Literal("boot-disk"), reason: Type.String() }),
  Type.Object({
    kind: Type.Literal("deploy"),
    deployId: Type.String(),
    /** "lab-debian" and its version, for the screen. */
    image: Type.String(),
    imageVersion: Type.Number(),
    hostName: Type.String(),
    streamId: Type.String(),
    /** Since SCRIPTS_SINCE. They run in this order; the first that fails ends the order as failed. */
    scripts: Type.Optional(OrderScripts),
    /** Since DISK_TERMS_SINCE. */
    terms: Type.Optional(OrderTerms),
    reason: Type.String(),
  }),
  Type.Object({
    kind: Type.Literal("capture"),
    deployId: Type.String(),
    /** What the image is to be called; its version is known when it is made. */
    image: Type.String(),
    hostName: Type.String(),
    /** A larger disk than the one that was ordered is not captured. */
    mostDiskBytes: Type.Number(),
    /** Keep also what lies in free blocks of a file system: deleted files. */
    keepFreeBlocks: Type.Boolean(),
    reason: Type.String(),
  }),
]);
export type Order = Static<typeof Order>;

export const FaultBody = Type.Object({
  code: Type.String(),
  what: Type.String(),
  why: Type.String(),
  fix: Type.String(),
});

/** Sent at every change of state and at most once a second while `percent` changes. */
export const Report = Type.Object({
  state: State,
  /** The order this belongs to; absent before there is one. */
  deployId: Type.Optional(Type.String()),
  /** What is being done or waited for, one sentence. */
  detail: Type.String(),
  percent: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
  /** With state "failed". */
  fault: Type.Optional(FaultBody),
  /** With state "erasing" or "capturing": 32 random bytes as hex, which the server signs as a part of its permit. */
  challenge: Type.Optional(Type.String({ pattern: "^[0-9a-f]{64}$" })),
  /** With state "done": what the restored disk holds now, a text of agent/disk-content.ts. */
  holds: Type.Optional(Type.String({ maxLength: 20_000 })),
  /** With state "naming": a script that has just ended. */
  script: Type.Optional(ScriptResult),
  /** With state "done": milliseconds spent in each state. */
  timings: Type.Optional(Type.Record(Type.String(), Type.Number())),
});
export type Report = Static<typeof Report>;

/** `proceed` false: the order was cancelled; stop before the next step that changes the disk. */
export const ReportAnswer = Type.Object({
  proceed: Type.Boolean(),
  reason: Type.String(),
  /**
   * To a challenge, when the order stands: Ed25519 of the site's key, base64, over `permitText` where the order is a
   * deploy, over `capturePermitText` where it is a capture.
   */
  permit: Type.Optional(Type.String()),
});
export type ReportAnswer = Static<typeof ReportAnswer>;

/**
 * What a server signs to permit one erase. HTTP proves nothing about who
 * answers, and anybody can send an old, rightly signed manifest again; only the
 * site's own server can sign this, and only for this start of this machine.
 */
export function permitText(permit: {
  readonly challenge: string;
  readonly mac: string;
  readonly deployId: string;
  readonly image: string;
  readonly imageVersion: number;
  /** As in the order: nobody on the way may send it to another disk. */
  readonly terms?: OrderTerms | undefined;
}): string {
  const { challenge, mac, deployId, image, imageVersion, terms } = permit;
  const about = [challenge, mac, deployId, image, imageVersion];
  if (terms === undefined) return `bootcast erase permit 1\n${JSON.stringify(about)}`;
  const { disk, erase, confirmed, known } = terms;
  return `bootcast erase permit 2\n${JSON.stringify([...about, disk, erase, confirmed, known])}`;
}

export const SCRIPTS_PERMIT = "bootcast scripts permit 1\n";

/**
 * What a server signs so that a host runs scripts: for one machine and one order. The first line is another one than
 * that of an erase or a capture, so no permit can stand for another.
 */
export function scriptsText(about: {
  readonly mac: string;
  readonly deployId: string;
  readonly list: readonly OrderScript[];
}): string {
  const scripts = about.list.map(({ name, text, mostSeconds }) => [name, text, mostSeconds]);
  return `${SCRIPTS_PERMIT}${JSON.stringify([about.mac, about.deployId, scripts])}`;
}

export const CAPTURE_PERMIT = "bootcast capture permit 1\n";

/**
 * What a server signs to permit one capture: nobody else is given a disk's content. The first line is another one
 * than that of an erase, so neither permit can stand for the other.
 */
export function capturePermitText(permit: {
  readonly challenge: string;
  readonly mac: string;
  readonly deployId: string;
  readonly image: string;
}): string {
  const { challenge, mac, deployId, image } = permit;
  return `${CAPTURE_PERMIT}${JSON.stringify([challenge, mac, deployId, image])}`;
}

/** One pack that the store has. */
export const KeptPack = Type.Object({ digest: Type.String({ pattern: "^[0-9a-f]{64}$" }), storedBytes: Type.Number() });
export type KeptPack = Static<typeof KeptPack>;

/**
 * To each list of cells (images/cell-lists.ts), in order: the pack with exactly these cells, or which of them the
 * store has not (bit 0 is the first). None missing and yet no pack: they lie in several.
 */
export const CellAnswers = Type.Object({
  packs: Type.Array(Type.Union([KeptPack, Type.Object({ missing: Type.Integer({ minimum: 0, maximum: 0xffff }) })])),
});
export type CellAnswers = Static<typeof CellAnswers>;

/** How much of the manifest has arrived; a piece is 1 MiB at most. */
export const ManifestPiece = Type.Object({ bytes: Type.Number() });
export type ManifestPiece = Static<typeof ManifestPiece>;
export const MOST_PIECE_BYTES = 1024 * 1024;

/** The manifest is there: length and SHA-256 of its bytes (images/manifest-codec.ts, without signature). */
export const FinishCapture = Type.Object({
  manifestBytes: Type.Integer({ minimum: 1 }),
  manifestDigest: Type.String({ pattern: "^[0-9a-f]{64}$" }),
});
export type FinishCapture = Static<typeof FinishCapture>;

/** "checking", "waiting" (somebody else makes a version of this image): ask again. */
export const CaptureState = Type.Union([
  Type.Object({ state: oneOf(["checking", "waiting"]), reason: Type.String() }),
  Type.Object({ state: Type.Literal("made"), image: Type.String(), imageVersion: Type.Number() }),
]);
export type CaptureState = Static<typeof CaptureState>;

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

export const Join = Type.Object({
  /** The registered host, when there is one (a restore from the command line has none). */
  hostId: Type.Optional(Type.String()),
  name: Type.String({ maxLength: 255, pattern: "^[^\\p{Cc}]*$" }),
  /** X25519, SPKI, base64: the key of an encrypted stream is packed for it. */
  publicKey: Type.Optional(Type.String({ maxLength: 200 })),
  /** The description that `needs` goes by; 1450 when absent, as an older agent knows only that. */
  symbolBytes: Type.Optional(Type.Integer({ minimum: 1 })),
  /** What its card carries in one packet of IP; absent where the system does not say. */
  mtuBytes: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Runs of blocks [first, count] that it lacks; all when absent. */
  needs: Type.Optional(
    Type.Array(Type.Tuple([Type.Integer({ minimum: 0 }), Type.Integer({ minimum: 1 })]), { maxItems: 10_000 }),
  ),
});
export type Join = Static<typeof Join>;

export const Joined = Type.Object({
  receiverId: Type.String(),
  /** Where requests for repairs go by UDP: see multicast/feedback.ts. */
  feedbackAddress: Type.String(),
  feedbackPort: Type.Integer({ minimum: 1, maximum: 65_535 }),
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
