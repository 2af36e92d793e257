import { Type } from "typebox";

/** The shapes of `/api/v1/boot`. Times are milliseconds since 1970 UTC. */

/** One packet or file of a boot, as `BootTraceEntry` says. */
export const TraceEntryBody = Type.Object({
  id: Type.Number(),
  atMs: Type.Number(),
  /** Its name, when the machine is a known host. */
  host: Type.Optional(Type.String()),
  mac: Type.Optional(Type.String()),
  client: Type.Optional(Type.String()),
  service: Type.String(),
  asked: Type.String(),
  answered: Type.Optional(Type.String()),
  reason: Type.Optional(Type.String()),
  isRefusal: Type.Optional(Type.Boolean()),
  detail: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]))),
  /** Entries of one power-on of one machine have the same. */
  boot: Type.Optional(Type.Number()),
  /** So many identical ones came since the entry before it. */
  times: Type.Optional(Type.Number()),
});

export const TraceBody = Type.Object({ entries: Type.Array(TraceEntryBody) });

const Counts = Type.Record(Type.String(), Type.Number());

/** Machines that tried to boot lately. */
export const RecentBootsBody = Type.Object({
  withinMs: Type.Number(),
  tried: Type.Number(),
  refused: Type.Array(
    Type.Object({ mac: Type.String(), host: Type.Optional(Type.String()), atMs: Type.Number(), reason: Type.String() }),
  ),
});

/** What the boot side did since the server started, and who tried to boot lately. */
export const BootBody = Type.Object({
  recent: RecentBootsBody,
  /** Packets answered by message, dropped by reason; null when network.dhcp is off. */
  dhcp: Type.Union([Type.Object({ answered: Counts, dropped: Counts }), Type.Null()]),
  tftp: Counts,
  trace: Type.Object({ notStored: Type.Number() }),
});

export type TraceEntryBody = Type.Static<typeof TraceEntryBody>;
export type TraceBody = Type.Static<typeof TraceBody>;
export type RecentBootsBody = Type.Static<typeof RecentBootsBody>;
export type BootBody = Type.Static<typeof BootBody>;
