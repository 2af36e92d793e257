import type { Logger } from "pino";
import type { Fault } from "../../fault.ts";
import type { Config } from "../../server/config/config.ts";
import { type Database, openDatabase } from "../../server/db/database.ts";
import { refuseLeft } from "../../server/db/left.ts";
import { placeText } from "../../server/db/place.ts";
import { placeOfConfig } from "../db/place.ts";

export type ServerDatabase = {
  readonly db: Database;
  /** Resolves when somebody has it alone, because we were cut off: this server has to end. */
  readonly lost: Promise<Fault>;
};

/**
 * Opens the configured database: a SQLite file for this server alone, a PostgreSQL database together with other servers.
 *
 * @throws {Fault} DATABASE_IN_USE, DATABASE_LEFT, and as `openDatabase`
 */
export async function databaseOf(config: Config, log: Logger, parts: AsyncDisposableStack): Promise<ServerDatabase> {
  const place = placeOfConfig(config);
  if ("file" in place) {
    const db = await openDatabase(place);
    parts.defer(() => db.destroy());
    await refuseLeft(db, placeText(place));
    log.debug({ database: placeText(place) }, "the database is open");
    return { db, lost: new Promise(() => {}) };
  }
  const { ServerLock } = await import("../../server/db/server-lock.ts");
  const lock = await ServerLock.enter(place);
  parts.defer(() => lock.release());
  const db = await openDatabase(place, { isShared: !lock.isAlone });
  parts.defer(() => db.destroy());
  await refuseLeft(db, placeText(place));
  await lock.letOthersIn();
  log.debug({ database: placeText(place) }, "the database is open");
  return { db, lost: lock.lost };
}
