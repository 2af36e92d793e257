import { type Static, Type } from "typebox";
import { oneOf } from "../disk/disk.ts";
import { OrderAlive } from "./alive.ts";
import { HearingTest } from "./hearing.ts";

/** How a disk is erased before it is written: agent/disk/erase-plan.ts. */
export const eraseMethods = ["quick", "discard", "zeros", "secure", "none"] as const;
export type EraseMethod = (typeof eraseMethods)[number];

/** What becomes of a disk that is larger than the image: its last partition takes it, or everything stays as large as it was. */
export const growths = ["last", "keep"] as const;
export type Growth = (typeof growths)[number];

/** The numbers by which disk, partitions and file systems are found: those of the image, or new ones. */
export const diskIds = ["keep", "renew"] as const;
export type DiskIds = (typeof diskIds)[number];

/** What a machine does when its disk is restored: starts it, switches itself off, starts its kernel at once, or stays. */
export const afterwards = ["reboot", "power-off", "kexec", "wait"] as const;
export type Afterwards = (typeof afterwards)[number];

/** It is written into files of every kind (hosts, XML, property lists): only what means nothing but itself in all of them. */
const HostName = Type.String({ maxLength: 253, pattern: "^[0-9A-Za-z][0-9A-Za-z.-]*$" });

/** What an order says of the disk. All of it is in the permit. */
export const OrderTerms = Type.Object({
  /** Which one: agent/disk/rule.ts. */
  disk: Type.String(),
  erase: oneOf(eraseMethods),
  /** What a person saw on this host's disks when the order was given; texts of agent/disk/content.ts. */
  confirmed: Type.Array(Type.String()),
  /** What its disk held after its last restore; empty: there was none. */
  known: Type.String(),
  /** Since FIT_SINCE; absent: "keep". */
  grow: Type.Optional(oneOf(growths)),
  /** Since FIT_SINCE; absent: "keep". */
  ids: Type.Optional(oneOf(diskIds)),
  /** Since AFTERWARDS_SINCE; absent: "reboot". */
  afterwards: Type.Optional(oneOf(afterwards)),
  /** Since RESUME_SINCE. How much of the disk is read back: agent/disk/verify-plan.ts; absent: "whole". */
  verify: Type.Optional(Type.String({ maxLength: 100 })),
  /**
   * Since RESUME_SINCE. This order has erased the disk of this identity (agent/disk/identity.ts) and begun to write it:
   * on that disk it goes on, without another erase.
   */
  resumes: Type.Optional(Type.String({ maxLength: 1000 })),
  /** Since NAME_SINCE. The order's `hostName` once more: it is written to the disk, so it is in the permit. */
  hostName: Type.Optional(HostName),
  /**
   * Since PARTS_SINCE: that the order has scripts, `scriptsDigest` of them. They lie outside of the terms, and nobody on
   * the way may take them out, or put in those of before.
   */
  scripts: Type.Optional(Type.String({ pattern: "^[0-9a-f]{64}$" })),
  /** Since PARTS_SINCE: that the order has what the restored system says, which lies outside of the terms as well. */
  alive: Type.Optional(Type.Literal(true)),
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

/** What the host is to do now. `reason` is shown on the client's screen. */
export const Order = Type.Union([
  Type.Object({
    kind: Type.Literal("wait"),
    reason: Type.String(),
    /** What it is to listen for meanwhile; an older agent does not see it. */
    hear: Type.Optional(HearingTest),
  }),
  Type.Object({ kind: Type.Literal("boot-disk"), reason: Type.String() }),
  Type.Object({
    kind: Type.Literal("deploy"),
    deployId: Type.String(),
    /** "lab-debian" and its version, for the screen. */
    image: Type.String(),
    imageVersion: Type.Number(),
    hostName: HostName,
    streamId: Type.String(),
    /** Since SCRIPTS_SINCE. They run in this order; the first that fails ends the order as failed. */
    scripts: Type.Optional(OrderScripts),
    /** Since ALIVE_SINCE. Absent: nothing that calls home is put into the restored system. */
    alive: Type.Optional(OrderAlive),
    /** Since DISK_TERMS_SINCE. */
    terms: Type.Optional(OrderTerms),
    /** It was given at the machine's own screen: whoever is there may still stop it by a key. An older agent goes on at once. */
    isByHand: Type.Optional(Type.Literal(true)),
    reason: Type.String(),
  }),
  Type.Object({
    kind: Type.Literal("capture"),
    deployId: Type.String(),
    /** What the image is to be called; its version is known when it is made. */
    image: Type.String(),
    hostName: HostName,
    /** A larger disk than the one that was ordered is not captured. */
    mostDiskBytes: Type.Number(),
    /** Keep also what lies in free blocks of a file system: deleted files. */
    keepFreeBlocks: Type.Boolean(),
    reason: Type.String(),
  }),
]);
export type Order = Static<typeof Order>;
