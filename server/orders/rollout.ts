import type { FaultText } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { Change } from "../events.ts";
import { isFull } from "./any-limits.ts";
import type { OrderState } from "./deploy-rules.ts";
import { limitsOf, unfinishedHosts } from "./facts.ts";
import { CANARY_WAVE, failuresOf, nextRelease, nextStep, type Rollout, type Step } from "./rollout-rules.ts";

/** Why an order has stopped for all that have not begun. */
export type Halt = FaultText & { readonly code: string };

/**
 * Carries out what comes next of an order, until there is nothing more to do now. In one transaction with what was read,
 * so a server that dies in the middle has done nothing, and two that look at the same moment do it once.
 *
 * @returns when it is to be looked at again if nothing happens before; null: never
 */
export async function advance(change: Change, deployId: number): Promise<number | null> {
  for (;;) {
    // Another server that looks at the same order waits here until we are through.
    const { numUpdatedRows } = await change.tables
      .updateTable("deploys")
      .set((row) => ({ wait_for: row.ref("wait_for") }))
      .where("id", "=", deployId)
      .where("state", "=", "active")
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return null;
    const step = nextStep(await rolloutOf(change.tables, deployId), change.nowMs);
    if (step.kind === "wait") {
      const endsAtMs = await endFull(change, deployId);
      return step.untilMs ?? endsAtMs;
    }
    await carryOut(change, deployId, step);
  }
}

/**
 * Whether `advance` would do something now, or when it may; nothing is written, because most looks find nothing.
 *
 * @returns the time, which may be over; null: not by itself
 */
export async function nextLookMs(
  db: Pick<Database, "selectFrom">,
  deployId: number,
  nowMs: number,
): Promise<number | null> {
  const step = nextStep(await rolloutOf(db, deployId), nowMs);
  if (step.kind !== "wait") return nowMs;
  return step.untilMs ?? (await closesAtMs(db, deployId, nowMs));
}

/** A person goes on with an order that has stopped: what has failed so far is accepted. */
export async function resumeHalted(change: Change, deployId: number): Promise<void> {
  const rollout = await rolloutOf(change.tables, deployId);
  await change.tables
    .updateTable("deploys")
    .set({ halted_at_ms: null, halt_fault: null, failed_accepted: failuresOf(rollout).length })
    .where("id", "=", deployId)
    .execute();
  await change.record({ kind: "deploy.resumed", deployId });
  if (!rollout.isStarted) {
    await startBefore(change, deployId);
    return;
  }
  const step = nextRelease(rollout);
  if (step.kind !== "wait") await carryOut(change, deployId, step);
}

/** A person does not want to wait for its time, or its time is over. */
export async function startBefore(change: Change, deployId: number): Promise<void> {
  await change.tables.updateTable("deploys").set({ start_at_ms: change.nowMs }).where("id", "=", deployId).execute();
}

export async function rolloutOf(db: Pick<Database, "selectFrom">, deployId: number): Promise<Rollout> {
  const deploy = await db
    .selectFrom("deploys")
    .select(["start_at_ms", "begun_at_ms", "halted_at_ms", "most_failed", "failed_accepted"])
    .where("id", "=", deployId)
    .executeTakeFirstOrThrow();
  const hosts = await db
    .selectFrom("deploy_hosts")
    .innerJoin("hosts", "hosts.id", "deploy_hosts.host_id")
    .select(["hosts.id", "hosts.name", "wave", "deploy_hosts.state", "released_at_ms", "alive_until_ms"])
    .where("deploy_id", "=", deployId)
    .orderBy("hosts.name")
    .execute();
  return {
    deployId,
    startAtMs: deploy.start_at_ms,
    isStarted: deploy.begun_at_ms !== null,
    isHalted: deploy.halted_at_ms !== null,
    mostFailed: deploy.most_failed,
    failedAccepted: deploy.failed_accepted ?? 0,
    hosts: hosts.map(({ id, name, wave, state, released_at_ms, alive_until_ms }) => ({
      id,
      name,
      wave: wave ?? CANARY_WAVE + 1,
      state: state as OrderState,
      releasedAtMs: released_at_ms,
      isAwaited: alive_until_ms !== null,
    })),
  };
}

async function carryOut(change: Change, deployId: number, step: Exclude<Step, { kind: "wait" }>): Promise<void> {
  const { tables, nowMs } = change;
  if (step.kind === "start") {
    await tables.updateTable("deploys").set({ begun_at_ms: nowMs }).where("id", "=", deployId).execute();
    await change.record({ kind: "deploy.started", deployId });
    return;
  }
  if (step.kind === "release") {
    await tables
      .updateTable("deploy_hosts")
      .set({ released_at_ms: nowMs })
      .where("deploy_id", "=", deployId)
      .where("host_id", "in", [...step.hostIds])
      .execute();
    await change.record({ kind: "deploy.wave", deployId, data: { wave: step.wave, hosts: step.hostIds.length } });
    return;
  }
  await tables
    .updateTable("deploys")
    .set({ halted_at_ms: nowMs, halt_fault: JSON.stringify(step.fault) })
    .where("id", "=", deployId)
    .execute();
  // Whoever was told to begin and has erased nothing yet is called back.
  await tables
    .updateTable("deploy_hosts")
    .set({ state: "pending", released_at_ms: null, started_at_ms: null })
    .where("deploy_id", "=", deployId)
    .where("state", "in", ["pending", "running"])
    .where("attempts", "=", 0)
    .execute();
  await change.record({ kind: "deploy.halted", deployId, data: { fault: step.fault.toJSON() } });
}

/**
 * An order to any host that takes nobody else ends with its last one.
 *
 * @returns when it is to end; now when it is to end at once, null when that is not known
 */
async function closesAtMs(db: Pick<Database, "selectFrom">, deployId: number, nowMs: number): Promise<number | null> {
  const { to_any, any_limits } = await db
    .selectFrom("deploys")
    .select(["to_any", "any_limits"])
    .where("id", "=", deployId)
    .executeTakeFirstOrThrow();
  if (to_any !== 1 || any_limits === null) return null;
  const limits = limitsOf(any_limits);
  const taken = await db.selectFrom("deploy_hosts").select("host_id").where("deploy_id", "=", deployId).execute();
  if (!isFull(limits, taken.length, nowMs)) return limits.untilMs ?? null;
  return (await unfinishedHosts(db, deployId)) > 0 ? null : nowMs;
}

/** @returns when it is to be looked at again; null: not by itself */
async function endFull(change: Change, deployId: number): Promise<number | null> {
  const atMs = await closesAtMs(change.tables, deployId, change.nowMs);
  if (atMs === null || atMs > change.nowMs) return atMs;
  await change.tables
    .updateTable("deploys")
    .set({ state: "done", ended_at_ms: change.nowMs })
    .where("id", "=", deployId)
    .execute();
  await change.record({ kind: "deploy.ended", deployId });
  return null;
}
