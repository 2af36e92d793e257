import type { Change } from "../events.ts";
import { hindranceIn } from "../hosts/host-record.ts";
import { addHost, refuseBusy, refuseSecondAny } from "./deploy-hosts.ts";
import type { DeployPlan, DeployRequest } from "./deploy-plan.ts";
import { allSkipped } from "./deploy-skips.ts";
import { DEFAULT_GROWTH, DEFAULT_IDS } from "./disk-terms.ts";
import { advance } from "./rollout.ts";

/**
 * Writes down an order as it was planned, with the events that say so.
 *
 * @returns its number
 * @throws {Fault} as the plan does: something else may have happened at the same moment
 */
export async function writeOrder(change: Change, request: DeployRequest, plan: DeployPlan): Promise<number> {
  if (plan.to === "any") await refuseSecondAny(change.tables, plan.limits ?? {});
  await refuseBusy(change.tables, plan.hosts);
  for (const { id, name } of plan.hosts) {
    const hindrance = await hindranceIn(change.tables, id, change.nowMs);
    if (hindrance === undefined) continue;
    throw allSkipped([{ id, name, reason: hindrance.kind, why: hindrance.why }], undefined);
  }
  const { waves, startAtMs } = plan;
  const { id: deployId } = await change.tables
    .insertInto("deploys")
    .values({
      image: plan.image.name,
      image_version: plan.image.version,
      to_any: plan.to === "any" ? 1 : 0,
      wait_for: plan.waitFor,
      max_wait_ms: plan.maxWaitMs,
      state: "active",
      created_at_ms: change.nowMs,
      ended_at_ms: null,
      disk_rule: plan.disk,
      erase: plan.erase,
      // What nobody asked for may not refuse an older agent.
      grow: request.grow ?? null,
      ids: request.ids ?? null,
      verify: plan.verify === "whole" ? null : plan.verify,
      afterwards: plan.afterwards === "reboot" ? null : plan.afterwards,
      alive: plan.alive ? 1 : null,
      start_at_ms: startAtMs,
      begun_at_ms: startAtMs === null ? change.nowMs : null,
      batch: waves?.batch ?? null,
      most_failed: waves?.mostFailed ?? null,
      any_limits: plan.limits === null ? null : JSON.stringify(plan.limits),
      target: plan.target,
      retry_of: plan.retryOf,
      wakes: plan.wake ? 1 : null,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  await change.record({ kind: "deploy.created", deployId, data: told(request, plan) });
  for (const { id, rule, contents, wave } of plan.hosts) {
    const confirmed = contents.filter((text) => request.confirmed?.includes(text) ?? true);
    const isHeld = startAtMs !== null || waves !== null;
    await addHost(change, deployId, id, { disk: { rule, confirmed }, isHeld, wave: wave ?? undefined });
  }
  if (waves !== null) await advance(change, deployId);
  return deployId;
}

/** Of the order, what is not as it always is. */
function told(request: DeployRequest, plan: DeployPlan): Record<string, unknown> {
  return {
    image: plan.image.name,
    imageVersion: plan.image.version,
    to: plan.to,
    ...(plan.to === "any" ? {} : { target: plan.target }),
    ...(plan.disk === null ? {} : { disk: plan.disk }),
    ...(plan.erase === "quick" ? {} : { erase: plan.erase }),
    ...(plan.grow === DEFAULT_GROWTH ? {} : { grow: plan.grow }),
    ...(plan.ids === DEFAULT_IDS ? {} : { ids: plan.ids }),
    ...(plan.verify === "whole" ? {} : { verify: plan.verify }),
    ...(plan.afterwards === "reboot" ? {} : { afterwards: plan.afterwards }),
    ...(plan.alive ? { alive: true } : {}),
    ...(plan.startAtMs === null ? {} : { startAtMs: plan.startAtMs }),
    ...(plan.waves === null ? {} : { waves: plan.waves }),
    ...(plan.wake ? { wake: true } : {}),
    ...(plan.limits === null ? {} : { limits: plan.limits }),
    ...(plan.retryOf === null ? {} : { retryOf: plan.retryOf }),
    ...(plan.skipped.length === 0 ? {} : { skipped: plan.skipped.map(({ name, why }) => ({ name, why })) }),
    ...(request.orderedAt === undefined ? {} : { orderedAt: request.orderedAt }),
  };
}
