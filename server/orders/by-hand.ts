import type { Database } from "../db/database.ts";

/** Said in the event of an order, where the command line's orders say nothing. */
export const ORDERED_AT_SCREEN = "the machine's own screen";

/** Whether somebody at the machine gave this order. */
export async function isOrderedByHand(db: Pick<Database, "selectFrom">, deployId: number): Promise<boolean> {
  const created = await db
    .selectFrom("events")
    .select("data")
    .where("deploy_id", "=", deployId)
    .where("kind", "=", "deploy.created")
    .executeTakeFirst();
  return created !== undefined && JSON.parse(created.data).orderedAt === ORDERED_AT_SCREEN;
}
