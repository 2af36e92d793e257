import { Type } from "typebox";
import {
  afterwards,
  agentStates,
  diskIds,
  eraseMethods,
  FaultBody,
  growths,
  StreamState,
} from "../../agent/contract.ts";
import { StreamFigures } from "../stream/figures.ts";
import { RecentBootsBody } from "./boot-schemas.ts";

/** The shapes of `/api/v1`. Times are milliseconds since 1970 UTC. */

export const Nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

export function oneOf<const Word extends string>(words: readonly Word[]) {
  return Type.Unsafe<Word>({ type: "string", enum: words });
}

/** The latest moment that there is (ECMA-262, 21.4.1.1). What is larger than 2^53 could not be read from SQLite again. */
export const LATEST_MS = 8_640_000_000_000_000;
/** More than there can be hosts. */
const MOST_COUNT = 1_000_000;
const Moment = Type.Integer({ minimum: 0, maximum: LATEST_MS });

export const ImageBody = Type.Object({
  name: Type.String(),
  version: Type.Number(),
  createdAtMs: Type.Number(),
  builder: Type.String(),
  notes: Type.String(),
  diskBytes: Type.Number(),
  storedBytes: Type.Number(),
  /** When its packs were last read and checked, and how many were bad; null: never. */
  verified: Nullable(Type.Object({ atMs: Type.Number(), badPacks: Type.Number() })),
});

const StreamBody = Type.Object({
  streamId: Type.String(),
  interfaceAddress: Type.String(),
  state: StreamState,
  waitingFor: Type.String(),
  receivers: Type.Number(),
  group: Type.String(),
  port: Type.Number(),
  /** The most that is sent. */
  rateBytesPerSecond: Type.Number(),
  figures: StreamFigures,
});

const SessionHostBody = Type.Object({
  id: Type.String(),
  name: Type.String(),
  order: oneOf(["pending", "running", "done", "failed", "cancelled"]),
  state: oneOf(["pending", ...agentStates]),
  detail: Type.String(),
  percent: Nullable(Type.Number()),
  fault: Nullable(FaultBody),
  startedAtMs: Nullable(Type.Number()),
  endedAtMs: Nullable(Type.Number()),
  /** Where the disk was compared with the image first: what was right already, and what came for the rest. */
  kept: Nullable(Type.Object({ bytes: Type.Number(), receivedBytes: Type.Number() })),
  timings: Type.Record(Type.String(), Type.Number()),
  totalMs: Type.Number(),
  /** With whom its turn comes: 0 is the canary's; null: all at once. */
  wave: Nullable(Type.Number()),
  /** What it waits for while its turn has not come; empty when it has. */
  heldBy: Type.String(),
  /** Of what the stream sent to it, the share that did not arrive: 0 to 1. */
  lossShare: Nullable(Type.Number()),
  /** Why it is slower than the others; empty when it is not. */
  slow: Type.String(),
  /** Until it has received, at its own pace. */
  leftMs: Nullable(Type.Number()),
});

/** Which hosts that appear an order to "any" is for. */
const LimitsBody = Type.Object(
  {
    /** "10.1.0.0/24". */
    network: Type.Optional(Type.String({ maxLength: 50 })),
    /** "iMac*". */
    model: Type.Optional(Type.String({ maxLength: 100 })),
    most: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_COUNT })),
    untilMs: Type.Optional(Moment),
  },
  { additionalProperties: false },
);

const sessionHead = {
  id: Type.Number(),
  kind: oneOf(["deploy", "capture"]),
  image: Type.String(),
  /** Of a capture: 0 until it is made. */
  imageVersion: Type.Number(),
  to: oneOf(["any", "named"]),
  /** The words that it was ordered with: "room-b". */
  target: Nullable(Type.String()),
  state: oneOf(["active", "done", "cancelled"]),
  createdAtMs: Type.Number(),
  endedAtMs: Nullable(Type.Number()),
  /** When it is to begin; null: it began at once. */
  startAtMs: Nullable(Type.Number()),
  startedAtMs: Nullable(Type.Number()),
  /** Why nobody else begins, until a person goes on with it; null: it goes on. */
  halted: Nullable(
    Type.Object({
      atMs: Type.Number(),
      code: Type.String(),
      what: Type.String(),
      why: Type.String(),
      fix: Type.String(),
    }),
  ),
  /** So many of its hosts may fail; null: it does not go in waves. */
  mostFailed: Nullable(Type.Number()),
  limits: Nullable(LimitsBody),
  /** The session whose failed hosts these were. */
  retryOf: Nullable(Type.Number()),
  /** Until the last host that receives now has received. */
  leftMs: Nullable(Type.Number()),
};

export const SessionBody = Type.Object({
  ...sessionHead,
  streams: Type.Array(StreamBody),
  hosts: Type.Array(SessionHostBody),
});

/** In a list: how many of its hosts are where, and no host by itself. */
export const ListedSessionBody = Type.Object({
  ...sessionHead,
  /** Hosts by their orders. */
  counts: Type.Object({
    all: Type.Number(),
    pending: Type.Number(),
    running: Type.Number(),
    done: Type.Number(),
    failed: Type.Number(),
    cancelled: Type.Number(),
  }),
  /** What its hosts that are at work do, and how far they are with that on average, 0 to 100. */
  atWork: Type.Array(Type.Object({ state: oneOf(agentStates), hosts: Type.Number(), percent: Type.Number() })),
  /** Of a capture: the name of its host. */
  from: Nullable(Type.String()),
  streams: Type.Array(
    Type.Object({
      streamId: Type.String(),
      interfaceAddress: Type.String(),
      state: StreamState,
      waitingFor: Type.String(),
      receivers: Type.Number(),
      /** What goes over the wire now. */
      rateBytesPerSecond: Type.Number(),
      sentBytes: Type.Number(),
      /** What half of the receivers lose at least, 0 to 1. */
      lossShare: Type.Number(),
    }),
  ),
});

export const DeployRequestBody = Type.Object(
  {
    image: Type.String({ minLength: 1 }),
    imageVersion: Type.Optional(Type.Integer({ minimum: 1 })),
    /** Hosts, groups, label=…; or the word "any". */
    to: Type.Union([Type.Literal("any"), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })]),
    waitFor: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_COUNT })),
    maxWaitMs: Type.Optional(Moment),
    disk: Type.Optional(Type.String()),
    erase: Type.Optional(oneOf(eraseMethods)),
    /** What becomes of a disk that is larger than the image's. */
    grow: Type.Optional(oneOf(growths)),
    /** The numbers by which disk, partitions and file systems are found. */
    ids: Type.Optional(oneOf(diskIds)),
    /** How much of the disk is read back: "whole", "none", "sampled=5%". */
    verify: Type.Optional(Type.String({ maxLength: 100 })),
    /** What the machines do when their disks are restored. */
    afterwards: Type.Optional(oneOf(afterwards)),
    /** Whether the restored systems are to say that they are up. */
    alive: Type.Optional(Type.Boolean()),
    /** `contents` of the plan that a person was shown. */
    confirmed: Type.Optional(Type.Array(Type.String())),
    /** When it begins; at once unless given. */
    startAtMs: Type.Optional(Moment),
    waves: Type.Optional(
      Type.Object(
        {
          /** Hosts that go first, or how many. */
          canary: Type.Optional(
            Type.Union([
              Type.Integer({ minimum: 0, maximum: MOST_COUNT }),
              Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }),
            ]),
          ),
          /** So many at a time. */
          batch: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_COUNT })),
          /** So many may fail before nobody else begins. */
          mostFailed: Type.Optional(Type.Integer({ minimum: 0, maximum: MOST_COUNT })),
        },
        { additionalProperties: false },
      ),
    ),
    /** Whether machines that are switched off are woken when their turn comes. */
    wake: Type.Optional(Type.Boolean()),
    /** Of "any". */
    limits: Type.Optional(LimitsBody),
    /** What people call these hosts: "room-b". */
    target: Type.Optional(Type.String({ maxLength: 200 })),
    /** The session whose failed hosts these are. */
    retryOf: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
  },
  { additionalProperties: false },
);

export const DeployPlanBody = Type.Object({
  image: Type.Object({
    name: Type.String(),
    version: Type.Number(),
    diskBytes: Type.Number(),
    storedBytes: Type.Number(),
  }),
  to: oneOf(["any", "named"]),
  hosts: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      mac: Type.String(),
      model: Type.String(),
      lastSeenMs: Type.Number(),
      disks: Type.Array(Type.Object({ path: Type.String(), sizeBytes: Type.Number(), model: Type.String() })),
      contents: Type.Array(Type.String()),
      rule: Type.String(),
      warning: Type.String(),
      wave: Nullable(Type.Number()),
    }),
  ),
  /** Hosts that were meant, and are left alone. */
  skipped: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      reason: oneOf(["locked", "unapproved", "busy", "no-disk"]),
      why: Type.String(),
    }),
  ),
  waitFor: Type.Number(),
  maxWaitMs: Type.Number(),
  erase: oneOf(eraseMethods),
  grow: oneOf(growths),
  ids: oneOf(diskIds),
  verify: Type.String(),
  afterwards: oneOf(afterwards),
  alive: Type.Boolean(),
  disk: Nullable(Type.String()),
  startAtMs: Nullable(Type.Number()),
  waves: Nullable(
    Type.Object({
      /** Names. */
      canary: Type.Array(Type.String()),
      batches: Type.Number(),
      batch: Type.Number(),
      mostFailed: Type.Number(),
    }),
  ),
  wake: Type.Boolean(),
  limits: Nullable(LimitsBody),
  /** By hosts that were restored with this image before ("past"), or only by its bytes ("rate"). */
  estimate: Type.Object({ seconds: Type.Number(), basis: oneOf(["past", "rate"]), hosts: Type.Number() }),
  /** The words that it was ordered with. */
  target: Type.String(),
  /** What a person types who really wants it. */
  confirmation: Type.String(),
  retryOf: Nullable(Type.Number()),
});

export const EventBody = Type.Object({
  id: Type.Number(),
  atMs: Type.Number(),
  kind: Type.String(),
  hostId: Nullable(Type.String()),
  deployId: Nullable(Type.Number()),
  data: Type.Record(Type.String(), Type.Unknown()),
  /** Who made the change; null: the server itself, or a host. */
  actor: Nullable(Type.String()),
});

export const StatusBody = Type.Object({
  version: Type.String(),
  pid: Type.Number(),
  startedAtMs: Type.Number(),
  dataDir: Type.String(),
  addresses: Type.Array(Type.String()),
  /** The API over the network, and the fingerprint of the authority that clients pin. */
  https: Type.Object({ servers: Type.Array(Type.String()), fingerprint: Type.String() }),
  tftpPort: Type.Number(),
  dhcp: Type.String(),
  /** Other DHCP and boot servers that were seen on the networks. */
  otherServers: Type.Array(
    Type.Object({
      interface: Type.String(),
      server: Type.String(),
      givesAddresses: Type.Boolean(),
      bootFile: Nullable(Type.String()),
      lastSeenMs: Type.Number(),
    }),
  ),
  /** Those that work with this database, where there can be several. */
  servers: Type.Array(
    Type.Object({
      name: Type.String(),
      version: Type.String(),
      addresses: Type.Array(Type.String()),
      startedAtMs: Type.Number(),
      seenAtMs: Type.Number(),
      isSelf: Type.Boolean(),
      /** It sees to schedules, waves and messages. */
      isLeading: Type.Boolean(),
    }),
  ),
  hosts: Type.Number(),
  activeSessions: Type.Array(Type.Number()),
  boots: RecentBootsBody,
});

export type ImageBody = Type.Static<typeof ImageBody>;
export type SessionBody = Type.Static<typeof SessionBody>;
export type ListedSessionBody = Type.Static<typeof ListedSessionBody>;
export type SessionHostBody = Type.Static<typeof SessionHostBody>;
export type DeployRequestBody = Type.Static<typeof DeployRequestBody>;
export type DeployPlanBody = Type.Static<typeof DeployPlanBody>;
export type EventBody = Type.Static<typeof EventBody>;
export type StatusBody = Type.Static<typeof StatusBody>;
