import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { Change } from "../events.ts";
import type { Host } from "../hosts/host-record.ts";
import { type AnyLimits, isForAll } from "./any-limits.ts";
import { limitsOf } from "./facts.ts";

type Readable = Pick<Database, "selectFrom">;

/**
 * Two orders to any host stand side by side where both say which hosts they mean; of a host that both mean the older
 * one takes it.
 *
 * @throws {Fault} DEPLOY_EXISTS
 */
export async function refuseSecondAny(db: Readable, limits: AnyLimits): Promise<void> {
  const others = await db
    .selectFrom("deploys")
    .select(["id", "any_limits"])
    .where("state", "=", "active")
    .where("to_any", "=", 1)
    .execute();
  const other = others.find(({ any_limits }) => isForAll(limits) || isForAll(limitsOf(any_limits)));
  if (other === undefined) return;
  throw new Fault("DEPLOY_EXISTS", {
    what: "There is already an order for any host that appears.",
    why: `Session ${other.id} is active, and a host can be given only one of them.`,
    fix: `Stop it first (bootcast session stop ${other.id}), or let each be for a network or a model.`,
  });
}

/** The session that has an open order for the host; undefined: none has. */
export async function busyWith(db: Readable, hostId: string): Promise<number | undefined> {
  const open = await db
    .selectFrom("deploy_hosts")
    .select("deploy_id")
    .where("host_id", "=", hostId)
    .where("state", "in", ["pending", "running"])
    .executeTakeFirst();
  return open?.deploy_id;
}

/** A host has one order at a time, whatever its kind. @throws {Fault} HOST_BUSY */
export async function refuseBusy(db: Readable, hosts: readonly Pick<Host, "id" | "name">[]): Promise<void> {
  for (const { id, name } of hosts) {
    const deployId = await busyWith(db, id);
    if (deployId !== undefined) throw hostBusy(name, deployId);
  }
}

export function hostBusy(name: string, deployId: number): Fault {
  return new Fault("HOST_BUSY", {
    what: `${name} already has an order.`,
    why: `Session ${deployId} has not finished with it.`,
    fix: `Wait for it (bootcast session watch ${deployId}) or stop it (bootcast session stop ${deployId}).`,
  });
}

/** What an order says of one of its hosts. */
export type AddedHost = {
  /** Of a deploy: which disk, and what a person saw on the host's disks. */
  readonly disk?: { readonly rule: string; readonly confirmed: readonly string[] };
  /** Its turn comes later; it is given nothing before that. */
  readonly isHeld?: boolean;
  /** With whom its turn comes, in an order that goes in waves. */
  readonly wave?: number | undefined;
};

/** Adds a host to an order, with the event that says so. */
export async function addHost(
  change: Change,
  deployId: number,
  hostId: string,
  { disk, isHeld = false, wave }: AddedHost = {},
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
      wave: wave ?? null,
      released_at_ms: isHeld ? null : change.nowMs,
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
