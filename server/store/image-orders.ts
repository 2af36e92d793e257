import { existsSync } from "node:fs";
import { connectDatabase } from "../db/database.ts";
import type { DatabasePlace } from "../db/place.ts";
import type { ImageVersion } from "./store.ts";

/** An order that is not done yet and that hands out this image version. */
export type OrderOfImage = ImageVersion & { readonly deployId: number };

/**
 * The orders that stand in a database, whether its server runs or not. Changes nothing there.
 *
 * @throws {Fault} as `connectDatabase`
 */
export async function standingOrders(place: DatabasePlace): Promise<OrderOfImage[]> {
  if ("file" in place && !existsSync(place.file)) return [];
  const db = await connectDatabase(place, { isReadOnly: true });
  try {
    const rows = await db
      .selectFrom("deploys")
      .select(["id", "image", "image_version"])
      .where("state", "not in", ["done", "cancelled"])
      .where("kind", "!=", "capture")
      .execute();
    return rows.map(({ id, image, image_version }) => ({ deployId: id, name: image, version: image_version }));
  } finally {
    await db.destroy();
  }
}
