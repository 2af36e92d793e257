import type { Selectable } from "kysely";
import type { AgentState, Inventory } from "../../agent/contract.ts";
import type { FaultText } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { HostTable } from "../db/schema.ts";
import type { Lack } from "./enrolment/admission.ts";
import { isGoodUuid, type KnownHost, mayBeSame, type Shown } from "./host-identity.ts";
import type { HostProgress } from "./host-progress.ts";
import { Inventories } from "./inventory-text.ts";
import { type Hindrance, type HostLock, hindranceOf } from "./lock.ts";

/** A host as the API and the pages show it. */
export type Host = {
  readonly id: string;
  readonly name: string;
  readonly mac: string;
  readonly vendor: string;
  readonly model: string;
  readonly serial: string;
  readonly state: AgentState;
  readonly stateSinceMs: number;
  /** What it does or waits for, one sentence. */
  readonly detail: string;
  readonly percent: number | null;
  /** With state "failed". */
  readonly fault: (FaultText & { readonly code: string }) | null;
  readonly waitingSinceMs: number;
  /** When it appeared, or was added by a person. */
  readonly firstSeenMs: number;
  /** 0: it was added by a person, and has never been seen. */
  readonly lastSeenMs: number;
  readonly inventory: Inventory;
  /** Which of its disks orders are for; null: as for every host. */
  readonly diskRule: string | null;
  /** What its disk held after its last restore; null: nothing is known. */
  readonly restored: string | null;
  readonly group: string | null;
  /** In alphabetical order. */
  readonly labels: readonly string[];
  readonly note: string | null;
  /** False: it appeared by itself, and hosts.approve wants a person's word before anything of it is erased. */
  readonly isApproved: boolean;
  /** What it, or a machine that says it is this host, lacks to need no person: enrolment/admission.ts. */
  readonly lacks: Lack | null;
  /** Its time may be over: see `lockNow`. */
  readonly lock: HostLock | null;
};

const inventories = new Inventories();

/**
 * A row as the API and the pages show it.
 *
 * @param progress has a newer word perhaps
 */
export function hostOf(
  row: Selectable<HostTable>,
  labels: readonly string[],
  progress?: Pick<HostProgress, "newest">,
): Host {
  const newest = progress?.newest(row.id, row.state, row.last_seen_ms);
  return {
    id: row.id,
    name: row.name,
    mac: row.mac,
    vendor: row.vendor,
    model: row.model,
    serial: row.serial,
    state: row.state as AgentState,
    stateSinceMs: row.state_since_ms,
    detail: newest?.detail ?? row.detail,
    percent: newest === undefined ? row.percent : newest.percent,
    fault: row.fault === null ? null : JSON.parse(row.fault),
    waitingSinceMs: row.waiting_since_ms,
    firstSeenMs: row.first_seen_ms,
    lastSeenMs: newest?.seenMs ?? row.last_seen_ms,
    inventory: inventories.read(row.inventory),
    diskRule: row.disk_rule,
    restored: row.restored,
    group: row.group_name,
    labels: labels.toSorted(),
    note: row.note,
    isApproved: row.is_approved === 1,
    lacks: row.lacks as Lack | null,
    lock: lockOf(row),
  };
}

type LockRow = Pick<Selectable<HostTable>, "lock_reason" | "lock_by" | "locked_at_ms" | "lock_until_ms">;

/** The columns that tell what stands against erasing a host. */
export const hindranceColumns = [
  "is_approved",
  "lacks",
  "lock_reason",
  "lock_by",
  "locked_at_ms",
  "lock_until_ms",
] as const;

function lockOf(row: LockRow): HostLock | null {
  if (row.locked_at_ms === null) return null;
  return {
    reason: row.lock_reason ?? "",
    by: row.lock_by ?? "",
    sinceMs: row.locked_at_ms,
    untilMs: row.lock_until_ms,
  };
}

/** What stands against erasing this host now; undefined: nothing. */
export function hindranceOfRow(
  row: LockRow & { readonly is_approved: number; readonly lacks: string | null },
  nowMs: number,
): Hindrance | undefined {
  return hindranceOf({ isApproved: row.is_approved === 1, lacks: row.lacks as Lack | null, lock: lockOf(row) }, nowMs);
}

/** The same, as the tables say at this moment. */
export async function hindranceIn(
  db: Pick<Database, "selectFrom">,
  hostId: string,
  nowMs: number,
): Promise<Hindrance | undefined> {
  const row = await db.selectFrom("hosts").select(hindranceColumns).where("id", "=", hostId).executeTakeFirst();
  return row === undefined ? undefined : hindranceOfRow(row, nowMs);
}

/** The labels of all hosts, by host. */
export async function labelsOfHosts(db: Pick<Database, "selectFrom">): Promise<ReadonlyMap<string, string[]>> {
  const rows = await db.selectFrom("host_labels").selectAll().execute();
  const labels = new Map<string, string[]>();
  for (const { host_id, label } of rows) labels.set(host_id, [...(labels.get(host_id) ?? []), label]);
  return labels;
}

/** These hosts, as far as they are told apart by it. */
export async function knownHosts(db: Pick<Database, "selectFrom">, ids: readonly string[]): Promise<KnownHost[]> {
  if (ids.length === 0) return [];
  const macs = await db
    .selectFrom("host_macs")
    .selectAll()
    .where("host_id", "in", [...ids])
    .execute();
  const cards = await db
    .selectFrom("host_cards")
    .selectAll()
    .where("host_id", "in", [...ids])
    .execute();
  const rows = await db
    .selectFrom("hosts")
    .select(["id", "uuid", "serial", "model", "last_seen_ms"])
    .where("id", "in", [...ids])
    .execute();
  const macsOf = Map.groupBy(macs, ({ host_id }) => host_id);
  const cardsOf = Map.groupBy(cards, ({ host_id }) => host_id);
  return rows.map((row) => ({
    id: row.id,
    uuid: row.uuid,
    serial: row.serial,
    model: row.model,
    lastSeenMs: row.last_seen_ms,
    isAdded: row.last_seen_ms === 0,
    macs: (macsOf.get(row.id) ?? []).map(({ mac }) => mac),
    nics: (cardsOf.get(row.id) ?? []).map(({ mac }) => mac),
  }));
}

/** The hosts that one which shows itself like this may be: all others are none for `recognise`. */
export async function likeHosts(db: Pick<Database, "selectFrom">, shown: Shown): Promise<KnownHost[]> {
  const owners = await db.selectFrom("host_macs").select("host_id as id").where("mac", "=", shown.mac).execute();
  const boards = isGoodUuid(shown.uuid)
    ? await db
        .selectFrom("hosts")
        .select("id")
        .where("uuid", "=", shown.uuid)
        .where("serial", "=", shown.serial)
        .where("model", "=", shown.model)
        // Two cannot be told apart, and then it is none of them.
        .limit(2)
        .execute()
    : [];
  return knownHosts(db, [...new Set([...owners, ...boards].map(({ id }) => id))]);
}

/** The other hosts that may be this very machine, come by another of its cards. */
export async function twinsOf(db: Pick<Database, "selectFrom">, hostId: string): Promise<string[]> {
  const [self] = await knownHosts(db, [hostId]);
  if (self === undefined) return [];
  const macs = [...new Set([...self.macs, ...self.nics])];
  const owners = await db.selectFrom("host_macs").select("host_id").where("mac", "in", macs).execute();
  const holders = await db.selectFrom("host_cards").select("host_id").where("mac", "in", macs).execute();
  const others = new Set([...owners, ...holders].map(({ host_id }) => host_id));
  others.delete(hostId);
  return (await knownHosts(db, [...others])).filter((other) => mayBeSame(self, other)).map(({ id }) => id);
}
