import type { Database } from "../db/database.ts";
import { mayBeSame } from "../hosts/host-identity.ts";
import { knownHosts } from "../hosts/host-record.ts";
import type { Facts, OrderState } from "./deploy-rules.ts";

/** What the database knows that decides what a host is to do. A host that is unknown has the id "". */
export async function factsOf(
  db: Pick<Database, "selectFrom">,
  hostId: string,
  waitMs: number,
  nowMs: number,
): Promise<Facts> {
  const rows = await db
    .selectFrom("deploy_hosts")
    .innerJoin("deploys", "deploys.id", "deploy_hosts.deploy_id")
    .select(["deploy_id", "deploy_hosts.state", "deploy_hosts.ended_at_ms", "deploys.state as deploy_state"])
    .where("host_id", "=", hostId)
    .execute();
  const any = await db
    .selectFrom("deploys")
    .select(["id", "created_at_ms"])
    .where("state", "=", "active")
    .where("to_any", "=", 1)
    .executeTakeFirst();
  const host = await db.selectFrom("hosts").select("waiting_since_ms").where("id", "=", hostId).executeTakeFirst();
  const isOpen = (row: (typeof rows)[number]) =>
    row.deploy_state === "active" && (row.state === "pending" || row.state === "running");
  const open = rows.find(isOpen);
  // Most hosts need no look at all the others.
  const isAskedFor = any !== undefined && hostId !== "" && rows.every(({ deploy_id }) => deploy_id !== any.id);
  const isTwin = isAskedFor && open === undefined && (await hadTwin(db, hostId, any));
  return {
    nowMs,
    open: open && { deployId: open.deploy_id },
    any: any === undefined || isTwin ? undefined : { deployId: any.id, createdAtMs: any.created_at_ms },
    ended: rows
      .filter((row) => !isOpen(row))
      .map((row) => ({ deployId: row.deploy_id, endedAtMs: row.ended_at_ms ?? 0, state: row.state as OrderState })),
    waitingSinceMs: host?.waiting_since_ms ?? nowMs,
    waitMs,
  };
}

/** Whether an order to each machine once has met this machine already, as a host of another of its cards. */
async function hadTwin(
  db: Pick<Database, "selectFrom">,
  hostId: string,
  any: { readonly id: number; readonly created_at_ms: number },
): Promise<boolean> {
  const met = await db
    .selectFrom("deploy_hosts")
    .select("host_id")
    .where("host_id", "!=", hostId)
    .where((where) => where.or([where("deploy_id", "=", any.id), where("ended_at_ms", ">=", any.created_at_ms)]))
    .execute();
  if (met.length === 0) return false;
  const known = await knownHosts(db);
  const self = known.find(({ id }) => id === hostId);
  if (self === undefined) return false;
  return known.some((other) => met.some(({ host_id }) => host_id === other.id) && mayBeSame(self, other));
}

/** How many hosts of a deploy are not through with it, those among them whose restored systems are waited for. */
export async function unfinishedHosts(db: Pick<Database, "selectFrom">, deployId: number): Promise<number> {
  const awaited = await db
    .selectFrom("deploy_hosts")
    .select("host_id")
    .where("deploy_id", "=", deployId)
    .where("alive_until_ms", "is not", null)
    .execute();
  return awaited.length + (await openHosts(db, deployId));
}

/** How many hosts of a deploy are not through with their disks. */
export async function openHosts(db: Pick<Database, "selectFrom">, deployId: number): Promise<number> {
  const open = await db
    .selectFrom("deploy_hosts")
    .select("host_id")
    .where("deploy_id", "=", deployId)
    .where("state", "in", ["pending", "running"])
    .execute();
  return open.length;
}
