import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { Change } from "../events.ts";
import type { Host } from "../hosts/host-record.ts";

type Readable = Pick<Database, "selectFrom">;

/** @throws {Fault} DEPLOY_EXISTS, HOST_BUSY */
export async function refuseConflicts(
  db: Readable,
  isAny: boolean,
  hosts: readonly Pick<Host, "id" | "name">[],
): Promise<void> {
  if (!isAny) return refuseBusy(db, hosts);
  const other = await db
    .selectFrom("deploys")
    .select("id")
    .where("state", "=", "active")
    .where("to_any", "=", 1)
    .executeTakeFirst();
  if (other === undefined) return;
  throw new Fault("DEPLOY_EXISTS", {
    what: "There is already an order for any host that appears.",
    why: `Session ${other.id} is active, and a host can be given only one of them.`,
    fix: `Stop it first: bootcast session stop ${other.id}`,
  });
}

/** A host has one order at a time, whatever its kind. @throws {Fault} HOST_BUSY */
export async function refuseBusy(db: Readable, hosts: readonly Pick<Host, "id" | "name">[]): Promise<void> {
  for (const host of hosts) {
    const open = await db
      .selectFrom("deploy_hosts")
      .select("deploy_id")
      .where("host_id", "=", host.id)
      .where("state", "in", ["pending", "running"])
      .executeTakeFirst();
    if (open === undefined) continue;
    throw new Fault("HOST_BUSY", {
      what: `${host.name} already has an order.`,
      why: `Session ${open.deploy_id} has not finished with it.`,
      fix: `Wait for it (bootcast session watch ${open.deploy_id}) or stop it (bootcast session stop ${open.deploy_id}).`,
    });
  }
}

/**
 * Adds a host to an order, with the event that says so.
 *
 * @param disk of a deploy: which disk, and what a person saw on the host's disks
 */
export async function addHost(
  change: Change,
  deployId: number,
  hostId: string,
  disk?: { readonly rule: string; readonly confirmed: readonly string[] },
): Promise<void> {
  await change.tables
    .insertInto("deploy_hosts")
    .values({
      deploy_id: deployId,
      host_id: hostId,
      state: "pending",
      attempts: 0,
      started_at_ms: null,
      ended_at_ms: null,
      fault: null,
      ...(disk === undefined ? {} : { disk_rule: disk.rule, confirmed: JSON.stringify(disk.confirmed) }),
    })
    .execute();
  await change.record({ kind: "deploy.host-added", deployId, hostId });
}

/** For people a deploy is a session, by its number. */
export function unknownDeploy(deployId: number | string): Fault {
  return new Fault("DEPLOY_UNKNOWN", {
    what: `There is no session ${deployId}.`,
    why: "Sessions are numbered from 1 in the order they were ordered.",
    fix: '"bootcast session list" shows all.',
  });
}
