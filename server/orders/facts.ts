import type { Database } from "../db/database.ts";
import { twinsOf } from "../hosts/host-record.ts";
import { type AnyLimits, isFull, isMeant } from "./any-limits.ts";
import type { Facts, Held, OrderState } from "./deploy-rules.ts";

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
    .select(["released_at_ms", "start_at_ms", "begun_at_ms", "halted_at_ms"])
    .where("host_id", "=", hostId)
    .execute();
  const host = await db
    .selectFrom("hosts")
    .select(["waiting_since_ms", "model", "address"])
    .where("id", "=", hostId)
    .executeTakeFirst();
  const isOpen = (row: (typeof rows)[number]) =>
    row.deploy_state === "active" && (row.state === "pending" || row.state === "running");
  const open = rows.find(isOpen);
  const any: { deployId: number; createdAtMs: number }[] = [];
  let isPlaceAsked = false;
  for (const { id, created_at_ms, limits } of await openToAny(db, nowMs)) {
    const isForIt = host === undefined || isMeant(limits, host);
    if (isForIt === undefined) isPlaceAsked = true;
    if (isForIt !== true) continue;
    // Most hosts need no look at all the others.
    const isAskedFor = open === undefined && host !== undefined && rows.every(({ deploy_id }) => deploy_id !== id);
    if (isAskedFor && (await hadTwin(db, hostId, { id, created_at_ms }))) continue;
    any.push({ deployId: id, createdAtMs: created_at_ms });
  }
  return {
    nowMs,
    open: open === undefined || isHeldRow(open) ? undefined : { deployId: open.deploy_id },
    held: open !== undefined && isHeldRow(open) ? heldOf(open, await pacesOf(db, [open.deploy_id])) : undefined,
    any,
    isPlaceAsked,
    ended: rows
      .filter((row) => !isOpen(row))
      .map((row) => ({ deployId: row.deploy_id, endedAtMs: row.ended_at_ms ?? 0, state: row.state as OrderState })),
    waitingSinceMs: host?.waiting_since_ms ?? nowMs,
    waitMs,
  };
}

type HeldRow = {
  readonly deploy_id: number;
  readonly released_at_ms: number | null;
  readonly start_at_ms: number | null;
  readonly begun_at_ms: number | null;
  readonly halted_at_ms: number | null;
};

/** Whether the turn of a host with an open order has not come. */
export function isHeldRow({ released_at_ms }: Pick<HeldRow, "released_at_ms">): boolean {
  return released_at_ms === null;
}

/** How far the hosts of an order are whose turn has come. */
export type Pace = Pick<Held, "releasedAtMs" | "isAtWork">;

/** By deploy. */
export async function pacesOf(
  db: Pick<Database, "selectFrom">,
  deployIds: readonly number[],
): Promise<ReadonlyMap<number, Pace>> {
  if (deployIds.length === 0) return new Map();
  const released = await db
    .selectFrom("deploy_hosts")
    .select(["deploy_id", (select) => select.fn.max("released_at_ms").as("released_at_ms")])
    .where("deploy_id", "in", [...deployIds])
    .groupBy("deploy_id")
    .execute();
  const working = await db
    .selectFrom("deploy_hosts")
    .select("deploy_id")
    .distinct()
    .where("deploy_id", "in", [...deployIds])
    .where((where) => where.or([where("state", "=", "running"), where("alive_until_ms", "is not", null)]))
    .execute();
  const atWork = new Set(working.map(({ deploy_id }) => deploy_id));
  const paceOf = (row: (typeof released)[number]): [number, Pace] => [
    row.deploy_id,
    { releasedAtMs: Number(row.released_at_ms ?? 0), isAtWork: atWork.has(row.deploy_id) },
  ];
  return new Map(released.map(paceOf));
}

export function heldOf(row: HeldRow, paces: ReadonlyMap<number, Pace>): Held {
  const { deploy_id, start_at_ms, begun_at_ms, halted_at_ms } = row;
  return {
    deployId: deploy_id,
    ...(paces.get(deploy_id) ?? { releasedAtMs: 0, isAtWork: false }),
    startAtMs: begun_at_ms === null ? start_at_ms : null,
    isHalted: halted_at_ms !== null,
  };
}

/** An order to any host that appears, as long as it takes another one. */
export type OpenToAny = { readonly id: number; readonly created_at_ms: number; readonly limits: AnyLimits };

/** The oldest first. */
export async function openToAny(db: Pick<Database, "selectFrom">, nowMs: number): Promise<OpenToAny[]> {
  const rows = await db
    .selectFrom("deploys")
    .select(["id", "created_at_ms", "any_limits"])
    .where("state", "=", "active")
    .where("to_any", "=", 1)
    .where("begun_at_ms", "is not", null)
    .orderBy("id")
    .execute();
  const open: OpenToAny[] = [];
  for (const { any_limits, ...row } of rows) {
    const limits = limitsOf(any_limits);
    const taken = limits.most === undefined ? 0 : await hostsOf(db, row.id);
    if (!isFull(limits, taken, nowMs)) open.push({ ...row, limits });
  }
  return open;
}

/** Of the column any_limits. */
export function limitsOf(text: string | null): AnyLimits {
  return text === null ? {} : (JSON.parse(text) as AnyLimits);
}

async function hostsOf(db: Pick<Database, "selectFrom">, deployId: number): Promise<number> {
  const { count } = await db
    .selectFrom("deploy_hosts")
    .select((select) => select.fn.countAll().as("count"))
    .where("deploy_id", "=", deployId)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** Whether an order to each machine once has met this machine already, as a host of another of its cards. */
async function hadTwin(
  db: Pick<Database, "selectFrom">,
  hostId: string,
  any: { readonly id: number; readonly created_at_ms: number },
): Promise<boolean> {
  const twins = await twinsOf(db, hostId);
  if (twins.length === 0) return false;
  const met = await db
    .selectFrom("deploy_hosts")
    .select("host_id")
    .where("host_id", "in", twins)
    .where((where) =>
      where.or([
        where("deploy_id", "=", any.id),
        where("ended_at_ms", ">=", any.created_at_ms),
        // Given later, and over: whatever the clock said.
        where.and([where("deploy_id", ">", any.id), where("ended_at_ms", "is not", null)]),
      ]),
    )
    .executeTakeFirst();
  return met !== undefined;
}

/** How many hosts of a deploy are not through with it, those among them whose restored systems are waited for. */
export async function unfinishedHosts(db: Pick<Database, "selectFrom">, deployId: number): Promise<number> {
  const awaited = await db
    .selectFrom("deploy_hosts")
    .select("host_id")
    .where("deploy_id", "=", deployId)
    .where("alive_until_ms", "is not", null)
    .execute();
  const open = await db
    .selectFrom("deploy_hosts")
    .select("host_id")
    .where("deploy_id", "=", deployId)
    .where("state", "in", ["pending", "running"])
    .execute();
  return awaited.length + open.length;
}

/** How many hosts of a deploy have their order and are not through with their disks. */
export async function openHosts(db: Pick<Database, "selectFrom">, deployId: number): Promise<number> {
  const open = await db
    .selectFrom("deploy_hosts")
    .select("host_id")
    .where("deploy_id", "=", deployId)
    .where("state", "in", ["pending", "running"])
    .where("released_at_ms", "is not", null)
    .execute();
  return open.length;
}

/** Milliseconds that the newest hosts took that were restored with this image, in any version. */
export async function pastDurations(db: Pick<Database, "selectFrom">, image: string): Promise<number[]> {
  const rows = await db
    .selectFrom("deploy_hosts")
    .innerJoin("deploys", "deploys.id", "deploy_hosts.deploy_id")
    .select(["deploy_hosts.started_at_ms", "deploy_hosts.ended_at_ms"])
    .where("kind", "=", "deploy")
    .where("image", "=", image)
    .where("deploy_hosts.state", "=", "done")
    .where("deploy_hosts.started_at_ms", "is not", null)
    .orderBy("deploy_hosts.ended_at_ms", "desc")
    .limit(20)
    .execute();
  return rows.map(({ started_at_ms, ended_at_ms }) => (ended_at_ms ?? 0) - (started_at_ms ?? 0));
}
