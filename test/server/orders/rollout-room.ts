import assert from "node:assert/strict";
import { after } from "node:test";
import { type AgentState, CONTRACT_VERSION } from "../../../agent/contract.ts";
import type { DeployRequest } from "../../../server/orders/deploy-plan.ts";
import { Core, machine, NETWORK } from "../core.ts";

export const HOUR_MS = 3_600_000;
export const work: readonly AgentState[] = ["preflight", "erasing", "receiving", "verifying", "naming", "finishing"];

/** A room of hosts "lab-01", … that wait, and what they are told and say. */
export async function room(count: number) {
  const core = await Core.open();
  after(() => core.db.destroy());
  const ids: string[] = [];
  for (let number = 1; number <= count; number += 1) {
    ids.push((await core.hosts.register(machine(number, { contract: CONTRACT_VERSION }))).hostId);
  }
  const idOf = (name: string) => ids[Number(name.slice(-2)) - 1]!;
  const order = (request: Partial<DeployRequest>) =>
    core.deploys.create({ image: "lab-debian", to: ids, ...request }).then(({ deployId }) => deployId);
  /** The names of those who are given an order now. */
  const begun = async () => {
    const kinds = await Promise.all(ids.map((id) => core.orders.orderFor(id, NETWORK)));
    return ids.flatMap((_, index) => (kinds[index]?.kind === "deploy" ? [index + 1] : [])).join(" ");
  };
  /** Works at its order up to its restart, after which its restored system calls home. */
  const restore = async (name: string, deployId: number, end: "up" | "silent" | "failed" | "off" = "up") => {
    const id = idOf(name);
    const given = await core.orders.orderFor(id, NETWORK);
    assert(given.kind === "deploy", `${name}: ${given.reason}`);
    for (const state of work) assert.equal((await core.report(id, state, deployId)).proceed, true, `${name} ${state}`);
    if (end === "failed") {
      const fault = { code: "DISK_WRITE", what: "It cannot be written.", why: "", fix: "" };
      await core.report(id, "failed", deployId, { fault });
      return undefined;
    }
    await core.report(id, "rebooting", deployId, { callsWhenUp: true });
    const up = async () => assert.equal(await core.alive.heard(id, given.alive?.token ?? "", name), true);
    if (end === "up") await up();
    return up;
  };
  const kinds = async (deployId: number) =>
    (await core.events.list({ deployId }))
      .map(({ kind }) => kind)
      .filter((kind) => kind.startsWith("deploy.") && !kind.startsWith("deploy.host"));
  return { core, ids, idOf, order, begun, restore, kinds };
}
