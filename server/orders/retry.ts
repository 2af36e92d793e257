import type { Afterwards, DiskIds, EraseMethod, Growth } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import { unknownDeploy } from "./deploy-hosts.ts";
import type { DeployRequest } from "./deploy-plan.ts";

/**
 * The order for those hosts of a session again that failed, or were stopped when their disks had been begun. It is
 * only asked for here: a person sees its plan before anything is erased. Who was given another order since is left out.
 *
 * @throws {Fault} DEPLOY_UNKNOWN, NOTHING_TO_RETRY
 */
export async function retryRequest(db: Pick<Database, "selectFrom">, deployId: number): Promise<DeployRequest> {
  const deploy = await db.selectFrom("deploys").selectAll().where("id", "=", deployId).executeTakeFirst();
  if (deploy === undefined) throw unknownDeploy(deployId);
  if (deploy.kind !== "deploy") throw nothing(deployId, "It is a capture.", "Order it again: bootcast capture HOST");
  const rows = await db
    .selectFrom("deploy_hosts")
    .select(["host_id", "state", "attempts"])
    .where("deploy_id", "=", deployId)
    .execute();
  const failed = rows.filter(({ state, attempts }) => state === "failed" || (state === "cancelled" && attempts > 0));
  const later = await db
    .selectFrom("deploy_hosts")
    .select("host_id")
    .where("deploy_id", ">", deployId)
    .where("state", "in", ["pending", "running", "done"])
    .execute();
  const to = failed.map(({ host_id }) => host_id).filter((id) => later.every(({ host_id }) => host_id !== id));
  if (to.length === 0) {
    throw nothing(
      deployId,
      failed.length === 0 ? "None of its hosts has failed." : "Its failed hosts were given another order since.",
      `"bootcast session show ${deployId}" shows its hosts.`,
    );
  }
  return {
    image: deploy.image,
    imageVersion: deploy.image_version,
    to,
    maxWaitMs: deploy.max_wait_ms,
    erase: (deploy.erase ?? "quick") as EraseMethod,
    verify: deploy.verify ?? "whole",
    afterwards: (deploy.afterwards ?? "reboot") as Afterwards,
    alive: deploy.alive === 1,
    retryOf: deployId,
    ...(deploy.wakes === 1 ? { wake: true } : {}),
    ...(deploy.disk_rule === null ? {} : { disk: deploy.disk_rule }),
    ...(deploy.grow === null ? {} : { grow: deploy.grow as Growth }),
    ...(deploy.ids === null ? {} : { ids: deploy.ids as DiskIds }),
  };
}

function nothing(deployId: number, why: string, fix: string): Fault {
  return new Fault("NOTHING_TO_RETRY", { what: `Session ${deployId} has nothing to repeat.`, why, fix });
}
