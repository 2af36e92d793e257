import type { Selectable } from "kysely";
import type { AgentState, Inventory } from "../../agent/contract.ts";
import type { FaultText } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { HostTable } from "../db/schema.ts";
import type { KnownHost } from "./host-identity.ts";

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
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  readonly inventory: Inventory;
  /** Which of its disks orders are for; null: as for every host. */
  readonly diskRule: string | null;
  /** What its disk held after its last restore; null: nothing is known. */
  readonly restored: string | null;
};

/** A row as the API and the pages show it. */
export function hostOf(row: Selectable<HostTable>): Host {
  return {
    id: row.id,
    name: row.name,
    mac: row.mac,
    vendor: row.vendor,
    model: row.model,
    serial: row.serial,
    state: row.state as AgentState,
    stateSinceMs: row.state_since_ms,
    detail: row.detail,
    percent: row.percent,
    fault: row.fault === null ? null : JSON.parse(row.fault),
    waitingSinceMs: row.waiting_since_ms,
    firstSeenMs: row.first_seen_ms,
    lastSeenMs: row.last_seen_ms,
    inventory: JSON.parse(row.inventory),
    diskRule: row.disk_rule,
    restored: row.restored,
  };
}

/** All hosts, as far as they are told apart by it. */
export async function knownHosts(db: Pick<Database, "selectFrom">): Promise<KnownHost[]> {
  const macs = await db.selectFrom("host_macs").selectAll().execute();
  const rows = await db
    .selectFrom("hosts")
    .select(["id", "mac", "uuid", "serial", "model", "last_seen_ms", "inventory"])
    .execute();
  const macsOf = Map.groupBy(macs, ({ host_id }) => host_id);
  return rows.map((row) => ({
    id: row.id,
    uuid: row.uuid,
    serial: row.serial,
    model: row.model,
    lastSeenMs: row.last_seen_ms,
    macs: (macsOf.get(row.id) ?? []).map(({ mac }) => mac),
    nics: [row.mac, ...(JSON.parse(row.inventory) as Inventory).nics.map(({ mac }) => mac)],
  }));
}
