import type { Database } from "../db/database.ts";
import { INVENTORY_CHANGED } from "./host-registration.ts";
import type { InventoryChange } from "./inventory-changes.ts";

/** What was new in a machine when it registered at this time. */
export type InventoryStep = {
  /** Of the event that tells it. */
  readonly id: number;
  readonly atMs: number;
  readonly changes: readonly InventoryChange[];
};

/** How the parts of a host changed, the newest first; `before`: only what is older than this step. */
export async function inventoryHistory(
  db: Pick<Database, "selectFrom">,
  hostId: string,
  { limit, before }: { readonly limit: number; readonly before?: number | undefined },
): Promise<InventoryStep[]> {
  let query = db
    .selectFrom("events")
    .select(["id", "at_ms", "data"])
    .where("host_id", "=", hostId)
    .where("kind", "=", INVENTORY_CHANGED)
    .orderBy("id", "desc")
    .limit(limit);
  if (before !== undefined) query = query.where("id", "<", before);
  return (await query.execute()).map(({ id, at_ms, data }) => ({
    id,
    atMs: at_ms,
    changes: (JSON.parse(data) as { changes: InventoryChange[] }).changes,
  }));
}
