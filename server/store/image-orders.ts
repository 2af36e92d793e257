import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { ImageVersion } from "./store.ts";

/** An order that is not done yet and that hands out this image version. */
export type OrderOfImage = ImageVersion & { readonly deployId: number };

/** The orders that stand in a data directory, whether its server runs or not. Changes nothing there. */
export function standingOrders(dataDir: string): OrderOfImage[] {
  const path = join(dataDir, "bootcast.db");
  if (!existsSync(path)) return [];
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    const text = "select id, image, image_version as version from deploys where state = 'active' and kind <> 'capture'";
    return database
      .prepare(text)
      .all()
      .map(({ id, image, version }) => ({ deployId: Number(id), name: String(image), version: Number(version) }));
  } finally {
    database.close();
  }
}
