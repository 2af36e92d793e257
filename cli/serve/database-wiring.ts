import type { Logger } from "pino";
import type { Fault } from "../../fault.ts";
import type { Config } from "../../server/config/config.ts";
import { type Database, openDatabase } from "../../server/db/database.ts";
import { refuseLeft } from "../../server/db/left.ts";
import { placeText } from "../../server/db/place.ts";
import { placeOfConfig } from "../db/place.ts";

export type ServerDatabase = {
  readonly db: Database;
  /** Resolves when another server works with it, because we were cut off: this one has to end. */
  readonly lost: Promise<Fault>;
};

/**
 * Opens the configured database for this server alone.
 *
 * @throws {Fault} DATABASE_IN_USE, DATABASE_LEFT, and as `openDatabase`
 */
export async function databaseOf(config: Config, log: Logger, parts: AsyncDisposableStack): Promise<ServerDatabase> {
  const place = placeOfConfig(config);
  let lost = new Promise<Fault>(() => {});
  if (!("file" in place)) {
    const { ServerLock } = await import("../../server/db/server-lock.ts");
    const lock = await ServerLock.take(place);
    parts.defer(() => lock.release());
    lost = lock.lost;
  }
  const db = await openDatabase(place);
  parts.defer(() => db.destroy());
  await refuseLeft(db, placeText(place));
  log.debug({ database: placeText(place) }, "the database is open");
  return { db, lost };
}
