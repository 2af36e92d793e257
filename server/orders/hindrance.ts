import type { Order } from "../../agent/contract.ts";
import type { Database } from "../db/database.ts";
import { type Lack, unapprovedText } from "../hosts/enrolment/admission.ts";
import { hindranceIn } from "../hosts/host-record.ts";

type Readable = Pick<Database, "selectFrom">;

/**
 * What a host is told instead of an order to erase, when nobody may erase it now; undefined: nothing stands against
 * it. A disk may be read all the same.
 *
 * @param about.waitMs how long a host with nothing to do waits before it starts its disk
 */
export async function hinderedOrder(
  db: Readable,
  about: { readonly hostId: string; readonly deployId: number; readonly waitMs: number; readonly nowMs: number },
): Promise<Exclude<Order, { kind: "deploy" | "capture" }> | undefined> {
  const { hostId, deployId, waitMs, nowMs } = about;
  const hindrance = await hindranceIn(db, hostId, nowMs);
  if (hindrance === undefined) return undefined;
  const row = await db
    .selectFrom("deploys")
    .innerJoin("hosts", (join) => join.on("hosts.id", "=", hostId))
    .select(["deploys.kind", "hosts.name", "hosts.waiting_since_ms"])
    .where("deploys.id", "=", deployId)
    .executeTakeFirst();
  if (row === undefined || row.kind === "capture") return undefined;
  const reason = `Session ${deployId} does not erase this machine: it is ${hindrance.why}.`;
  if (row.waiting_since_ms + waitMs <= nowMs) return { kind: "boot-disk", reason };
  const fix = hindrance.kind === "unapproved" ? ` "bootcast host approve ${row.name}" lets it go on.` : "";
  return { kind: "wait", reason: reason + fix };
}

/** Whoever stands before a machine that nobody approved learns that a person has to do something first. */
export async function waitOf<T extends { readonly reason: string }>(db: Readable, hostId: string, wait: T): Promise<T> {
  const row = await db
    .selectFrom("hosts")
    .select(["name", "is_approved", "lacks"])
    .where("id", "=", hostId)
    .executeTakeFirst();
  if (row === undefined || row.is_approved === 1) return wait;
  const why = row.lacks === null ? "not approved yet" : unapprovedText(row.lacks as Lack);
  return { ...wait, reason: `This machine is ${why}: bootcast host approve ${row.name}. ${wait.reason}` };
}

/**
 * Until when (Infinity: for ever) the machines of locked hosts start their own disks although something is ordered for
 * them, by host. Whose disk is only to be read is not among them.
 */
export async function lockedHosts(db: Readable): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom("hosts")
    .select(["id", "lock_until_ms"])
    .where("locked_at_ms", "is not", null)
    .execute();
  if (rows.length === 0) return new Map();
  const captures = await db
    .selectFrom("deploy_hosts")
    .innerJoin("deploys", "deploys.id", "deploy_hosts.deploy_id")
    .select("host_id")
    .where("deploys.state", "=", "active")
    .where("deploys.kind", "=", "capture")
    .where("deploy_hosts.state", "in", ["pending", "running"])
    .execute();
  const read = new Set(captures.map(({ host_id }) => host_id));
  const locked = rows.filter(({ id }) => !read.has(id));
  return new Map(locked.map(({ id, lock_until_ms }) => [id, lock_until_ms ?? Number.POSITIVE_INFINITY]));
}
