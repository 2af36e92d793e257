import { Type } from "typebox";
import { agentStates, Disk, FaultBody } from "../../agent/contract.ts";
import { lacks } from "../hosts/enrolment/admission.ts";
import { hostStates } from "../hosts/host-status.ts";
import { LATEST_MS, Nullable, oneOf } from "./schemas.ts";

/** The shapes of hosts in `/api/v1`. Times are milliseconds since 1970 UTC. */

export const HostStatusBody = Type.Object({
  /** The one word for this host: server/hosts/host-status.ts says what each means. */
  state: oneOf(hostStates),
  /** What it does or waits for. */
  detail: Type.String(),
  sinceMs: Type.Number(),
});

export const HostBody = Type.Object({
  id: Type.String(),
  name: Type.String(),
  mac: Type.String(),
  vendor: Type.String(),
  model: Type.String(),
  serial: Type.String(),
  /** For people and lists. */
  status: HostStatusBody,
  /** What its agent said last, whenever that was. */
  state: oneOf(agentStates),
  stateSinceMs: Type.Number(),
  detail: Type.String(),
  percent: Nullable(Type.Number()),
  fault: Nullable(FaultBody),
  firstSeenMs: Type.Number(),
  /** 0: a person added it, and it has never been seen. */
  lastSeenMs: Type.Number(),
  memoryBytes: Type.Number(),
  firmware: Type.String(),
  disks: Type.Array(Disk),
  /** Which of its disks orders are for; null: as the setting hosts.disk says. */
  diskRule: Nullable(Type.String()),
  /** What its disk held after its last restore. */
  restored: Nullable(Type.String()),
  group: Nullable(Type.String()),
  labels: Type.Array(Type.String()),
  note: Nullable(Type.String()),
  /** False: nothing of it is erased before a person approves it. */
  isApproved: Type.Boolean(),
  /** What it, or a machine that says it is this host, lacks to need no person: a token, or a newer boot image. */
  lacks: Nullable(oneOf(lacks)),
  /** Nothing of it is erased as long as this holds; null: it is not locked now. */
  lock: Nullable(
    Type.Object({
      reason: Type.String(),
      by: Type.String(),
      sinceMs: Type.Number(),
      untilMs: Nullable(Type.Number()),
    }),
  ),
  /** The session that has something for it to do. */
  session: Nullable(Type.Number()),
});
export type HostBody = Type.Static<typeof HostBody>;

/** What is changed of a host; what is absent stays. */
export const HostChangeBody = Type.Object(
  {
    name: Type.Optional(Type.String()),
    diskRule: Type.Optional(Nullable(Type.String())),
    note: Type.Optional(Nullable(Type.String())),
  },
  { additionalProperties: false, minProperties: 1 },
);

/** Words that select hosts together: hosts, groups, "label=kiosk", "group=room-b,label=kiosk". */
const To = Type.Array(Type.String({ minLength: 1, maxLength: 500 }), { minItems: 1, maxItems: 5_000 });

export const SelectedBody = Type.Object({ to: To }, { additionalProperties: false });

export const GroupChangeBody = Type.Object({ to: To, group: Nullable(Type.String()) }, { additionalProperties: false });

export const LabelChangeBody = Type.Object(
  {
    to: To,
    add: Type.Optional(Type.Array(Type.String(), { maxItems: 32 })),
    remove: Type.Optional(Type.Array(Type.String(), { maxItems: 32 })),
  },
  { additionalProperties: false },
);

export const LockBody = Type.Object(
  { to: To, reason: Type.String(), untilMs: Type.Optional(Nullable(Type.Number({ minimum: 0, maximum: LATEST_MS }))) },
  { additionalProperties: false },
);

export const HostRowBody = Type.Object(
  {
    mac: Type.String({ pattern: "^([0-9a-f]{2}:){5}[0-9a-f]{2}$" }),
    name: Type.Optional(Type.String()),
    serial: Type.Optional(Type.String({ maxLength: 200 })),
    group: Type.Optional(Nullable(Type.String())),
    labels: Type.Optional(Type.Array(Type.String())),
    note: Type.Optional(Nullable(Type.String())),
    diskRule: Type.Optional(Nullable(Type.String())),
    /** False: nobody has approved it. */
    isApproved: Type.Optional(Type.Boolean()),
    lock: Type.Optional(
      Nullable(
        Type.Object({ reason: Type.String(), untilMs: Nullable(Type.Number({ minimum: 0, maximum: LATEST_MS })) }),
      ),
    ),
  },
  { additionalProperties: false },
);

export const HostImportBody = Type.Object(
  {
    hosts: Type.Array(HostRowBody, { maxItems: 5_000 }),
    /** Only says what it would do. */
    isTrial: Type.Optional(Type.Boolean()),
    /** Whoever is in the list is approved. */
    approves: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

export const ImportedBody = Type.Object({
  added: Type.Array(Type.String()),
  changed: Type.Array(Type.Object({ name: Type.String(), what: Type.Array(Type.String()) })),
  /** How many were as the list says already. */
  same: Type.Number(),
  /** Who is in the list and approved by nobody. */
  unapproved: Type.Array(Type.String()),
});
export type ImportedBody = Type.Static<typeof ImportedBody>;

export const HostLogBody = Type.Object({
  /** When its agent sent it, with its last word. */
  atMs: Type.Number(),
  /** The session that it worked for; null: none. */
  session: Nullable(Type.Number()),
  /** Lines of JSON, the newest last; the end of what the agent wrote down. */
  log: Type.String(),
});
export type HostLogBody = Type.Static<typeof HostLogBody>;

export const WokenBody = Type.Object({
  hosts: Type.Array(Type.Object({ id: Type.String(), name: Type.String(), macs: Type.Array(Type.String()) })),
  through: Type.Array(Type.String()),
  problems: Type.Array(Type.String()),
});
export type WokenBody = Type.Static<typeof WokenBody>;

/** What hosts have in common, and how many. */
export const GroupsBody = Type.Object({
  groups: Type.Array(Type.Object({ name: Type.String(), hosts: Type.Number() })),
  labels: Type.Array(Type.Object({ name: Type.String(), hosts: Type.Number() })),
});
export type GroupsBody = Type.Static<typeof GroupsBody>;

export const InventoryHistoryBody = Type.Object({
  /** The newest first. */
  history: Type.Array(
    Type.Object({
      id: Type.Number(),
      atMs: Type.Number(),
      changes: Type.Array(Type.Object({ what: Type.String(), from: Type.String(), to: Type.String() })),
    }),
  ),
  next: Type.Optional(Type.String()),
});
export type InventoryHistoryBody = Type.Static<typeof InventoryHistoryBody>;
