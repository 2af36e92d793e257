import type { AgentState } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";

/** Starts machines that are switched off (server/hosts/wake.ts). @throws {Fault} when nothing could be sent */
export type Wake = (hosts: readonly { readonly id: string; readonly name: string }[]) => Promise<unknown>;

/** Who waits in the agent asks twice a minute. */
const AWAKE_MS = 90_000;
/** The agent's last words: what the machine does after them nobody knows, and who is awake does not mind the packet. */
const lastWords: ReadonlySet<string> = new Set(["rebooting", "done", "failed"] satisfies AgentState[]);

/**
 * Wakes those hosts of orders that want it whose turn has come and who do not show themselves. It is written down when
 * it was done: a server that dies in the middle sends it once more, which nobody notices.
 */
export async function wakeReleased({
  db,
  events,
  wake,
}: {
  readonly db: Database;
  readonly events: EventLog;
  readonly wake: Wake;
}): Promise<void> {
  const rows = await db
    .selectFrom("deploy_hosts")
    .innerJoin("deploys", "deploys.id", "deploy_hosts.deploy_id")
    .innerJoin("hosts", "hosts.id", "deploy_hosts.host_id")
    .select(["deploy_id", "hosts.id", "hosts.name", "hosts.state", "last_seen_ms", "released_at_ms"])
    .where("deploys.state", "=", "active")
    .where("wakes", "=", 1)
    .where("deploy_hosts.state", "=", "pending")
    .where("released_at_ms", "is not", null)
    .where("woken_at_ms", "is", null)
    .execute();
  if (rows.length === 0) return;
  const asleep = rows.filter((row) => !isAwake(row));
  let fault: Fault | undefined;
  try {
    if (asleep.length > 0) await wake(asleep.map(({ id, name }) => ({ id, name })));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    fault = error;
  }
  await events.change(async ({ tables, nowMs, record }) => {
    for (const deployId of fault === undefined ? [] : new Set(asleep.map(({ deploy_id }) => deploy_id))) {
      await record({ kind: "deploy.wake-failed", deployId, data: { fault } });
    }
    for (const { deploy_id, id } of rows) {
      await tables
        .updateTable("deploy_hosts")
        .set({ woken_at_ms: nowMs })
        .where("deploy_id", "=", deploy_id)
        .where("host_id", "=", id)
        .execute();
    }
  });
}

type Standing = { readonly state: string; readonly last_seen_ms: number; readonly released_at_ms: number | null };

function isAwake({ state, last_seen_ms, released_at_ms }: Standing): boolean {
  return !lastWords.has(state) && last_seen_ms >= (released_at_ms ?? 0) - AWAKE_MS;
}
