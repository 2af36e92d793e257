import type { AgentState } from "../../agent/contract.ts";
import type { Database } from "../db/database.ts";
import type { HostProgress } from "../hosts/host-progress.ts";
import type { AnyLimits } from "./any-limits.ts";
import type { OrderState } from "./deploy-rules.ts";
import type { StreamNow } from "./deploy-streams.ts";
import type { Halt } from "./rollout.ts";

/** What one deploy is, and how it stands as a whole. */
export type SessionHead = {
  /** The deploy's number. */
  readonly id: number;
  readonly kind: "deploy" | "capture";
  readonly image: string;
  /** Of a capture: 0 until it is made. */
  readonly imageVersion: number;
  readonly to: "any" | "named";
  /** The words that it was ordered with: "room-b"; null: not known. */
  readonly target: string | null;
  readonly state: "active" | "done" | "cancelled";
  readonly createdAtMs: number;
  readonly endedAtMs: number | null;
  /** When it is to begin; null: it began at once. */
  readonly startAtMs: number | null;
  /** Null: it has not begun. */
  readonly startedAtMs: number | null;
  /** Why nobody else begins, until a person says so; null: it goes on. */
  readonly halted: (Halt & { readonly atMs: number }) | null;
  /** Hosts of it that may fail; null: it does not go in waves. */
  readonly mostFailed: number | null;
  /** Of "any": which hosts that appear; null: every one. */
  readonly limits: AnyLimits | null;
  /** The session whose failed hosts these were. */
  readonly retryOf: number | null;
  /** Milliseconds until the last host that is at work is through, as far as can be told; null: it cannot. */
  readonly leftMs: number | null;
};

/** One session in a list: how many of its hosts are where, and no host by itself. */
export type ListedSession = SessionHead & {
  readonly counts: OrderCounts;
  /** What its hosts that are at work do, and how far they are with that on average, 0 to 100. */
  readonly atWork: readonly { readonly state: AgentState; readonly hosts: number; readonly percent: number }[];
  /** Of a capture: the name of its host; null otherwise. */
  readonly from: string | null;
  readonly streams: readonly ListedStream[];
};

/** Hosts by their orders; one whose restored system is waited for is running. */
export type OrderCounts = Readonly<Record<OrderState, number>> & { readonly all: number };

/** A running stream without its receivers. */
export type ListedStream = Pick<StreamNow, "streamId" | "interfaceAddress" | "state" | "waitingFor" | "receivers"> & {
  /** What goes over the wire now. */
  readonly rateBytesPerSecond: number;
  readonly sentBytes: number;
  /** What half of the receivers lose at least, 0 to 1. */
  readonly lossShare: number;
};

export function listedStream({ figures, ...now }: StreamNow): ListedStream {
  const { streamId, interfaceAddress, state, waitingFor, receivers } = now;
  const { rateBytesPerSecond, sentBytes } = figures;
  const losses = figures.receivers.map(({ lossShare }) => lossShare).toSorted((one, other) => one - other);
  const lossShare = losses[Math.floor((losses.length - 1) / 2)] ?? 0;
  return { streamId, interfaceAddress, state, waitingFor, receivers, rateBytesPerSecond, sentBytes, lossShare };
}

type Stand = Pick<ListedSession, "counts" | "atWork" | "from" | "leftMs">;
type Parts = { readonly db: Database; readonly progress: Pick<HostProgress, "newest">; readonly nowMs: number };
type Row = { readonly id: number; readonly kind: string; readonly state: string };

const nobody: OrderCounts = { all: 0, pending: 0, running: 0, done: 0, failed: 0, cancelled: 0 };

/** How the hosts of sessions stand: counted by the database, and only those at work are looked at one by one. */
export async function standOfSessions(parts: Parts, sessions: readonly Row[]): Promise<(id: number) => Stand> {
  const { db } = parts;
  // One that no session has: a list of none is no SQL.
  const idsOf = (isWanted: (row: Row) => boolean) => [0, ...sessions.filter(isWanted).map(({ id }) => id)];
  const counted = await db
    .selectFrom("deploy_hosts")
    .select(["deploy_id", "state", (select) => select.fn.countAll().as("hosts")])
    .where(
      "deploy_id",
      "in",
      idsOf(() => true),
    )
    .groupBy(["deploy_id", "state"])
    .execute();
  const captured = await db
    .selectFrom("deploy_hosts")
    .innerJoin("hosts", "hosts.id", "deploy_hosts.host_id")
    .select(["deploy_id", "hosts.name"])
    .where(
      "deploy_id",
      "in",
      idsOf(({ kind }) => kind === "capture"),
    )
    .execute();
  const workOf = await hostsAtWork(
    parts,
    idsOf(({ state }) => state === "active"),
  );
  const nameOf = new Map(captured.map(({ deploy_id, name }) => [deploy_id, name]));
  const countsOf = Map.groupBy(counted, ({ deploy_id }) => deploy_id);
  return (id) => {
    const work = workOf.get(id) ?? [];
    const counts = { ...nobody };
    for (const { state, hosts } of countsOf.get(id) ?? []) add(counts, state as OrderState, Number(hosts));
    // Restored, and its system is waited for: to people that is not the end.
    for (const { order, isAwaited } of work) {
      if (!isAwaited) continue;
      add(counts, order, -1);
      add(counts, "running", 1);
    }
    const leftMs = longestOf(work.map((host) => host.leftMs));
    return { counts, atWork: stepsOf(work), from: nameOf.get(id) ?? null, leftMs };
  };
}

function add(counts: { -readonly [Key in keyof OrderCounts]: number }, state: OrderState, hosts: number): void {
  counts[state] += hosts;
  counts.all += hosts;
}

type AtWork = {
  readonly order: OrderState;
  readonly isAwaited: boolean;
  readonly state: AgentState;
  readonly percent: number | null;
  readonly leftMs: number | null;
};

/** By session. */
async function hostsAtWork(
  { db, progress, nowMs }: Parts,
  ids: readonly number[],
): Promise<ReadonlyMap<number, AtWork[]>> {
  const rows = await db
    .selectFrom("deploy_hosts")
    .innerJoin("hosts", "hosts.id", "deploy_hosts.host_id")
    .select(["deploy_id", "deploy_hosts.state as order", "alive_until_ms"])
    .select(["hosts.id", "hosts.state", "hosts.percent", "hosts.state_since_ms", "hosts.last_seen_ms"])
    .where("deploy_id", "in", [...ids])
    .where((where) => where.or([where("deploy_hosts.state", "=", "running"), where("alive_until_ms", "is not", null)]))
    .execute();
  const found = new Map<number, AtWork[]>();
  for (const row of rows) {
    const { percent } = progress.newest(row.id, row.state, row.last_seen_ms) ?? row;
    const leftMs = row.state === "receiving" ? leftOf(percent, nowMs - row.state_since_ms) : null;
    const hosts = found.get(row.deploy_id) ?? [];
    found.set(row.deploy_id, hosts);
    const isAwaited = row.alive_until_ms !== null;
    hosts.push({ order: row.order as OrderState, isAwaited, state: row.state as AgentState, percent, leftMs });
  }
  return found;
}

function stepsOf(work: readonly AtWork[]): ListedSession["atWork"] {
  const byState = Map.groupBy(work, ({ state }) => state);
  return [...byState].map(([state, hosts]) => {
    const sum = hosts.reduce((total, { percent }) => total + Math.min(100, Math.max(0, percent ?? 0)), 0);
    return { state, hosts: hosts.length, percent: sum / hosts.length };
  });
}

/** Too little says nothing. */
const TELLING_PERCENT = 3;

/** How long the rest takes at the pace so far. */
export function leftOf(percent: number | null, elapsedMs: number): number | null {
  if (percent === null || percent < TELLING_PERCENT) return null;
  return Math.round((elapsedMs * (100 - percent)) / percent);
}

export function longestOf(left: readonly (number | null)[]): number | null {
  const known = left.filter((ms) => ms !== null);
  return known.length === 0 ? null : Math.max(...known);
}
