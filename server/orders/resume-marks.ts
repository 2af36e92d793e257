import type { OrderTerms } from "../../agent/contract.ts";
import type { Change } from "../events.ts";

type OneHost = { readonly hostId: string; readonly deployId: number };

/**
 * A host is permitted to begin with this disk; one that had begun another disk is not (report-rules.ts). Whatever it did
 * before is over, unless it goes on with what the terms say that it had begun.
 *
 * @param disk the identity that it said; empty or absent: that disk cannot be told from others
 */
export async function noteBegun(
  change: Change,
  { hostId, deployId }: OneHost,
  disk: string | undefined,
  terms: OrderTerms | undefined,
): Promise<void> {
  if (disk !== undefined && disk !== "" && disk === terms?.resumes) return;
  await change.tables
    .updateTable("deploy_hosts")
    .set({ begun_disk: disk === undefined || disk === "" ? null : disk, is_erased: null })
    .where("deploy_id", "=", deployId)
    .where("host_id", "=", hostId)
    .execute();
}

/** The host receives: whatever was to be erased is erased. Before that, a restart erases from the beginning. */
export async function noteErased(change: Change, { hostId, deployId }: OneHost): Promise<void> {
  await change.tables
    .updateTable("deploy_hosts")
    .set({ is_erased: 1 })
    .where("deploy_id", "=", deployId)
    .where("host_id", "=", hostId)
    .where("begun_disk", "is not", null)
    .execute();
}
