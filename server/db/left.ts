import { Fault } from "../../fault.ts";
import type { Database } from "./database.ts";

/** The last event of a database that was moved away: its data is `{ to }`. */
export const LEFT = "database.left";

/** Where the database was moved to; undefined: it was not. */
export async function leftTo(db: Pick<Database, "selectFrom">): Promise<string | undefined> {
  const row = await db.selectFrom("events").select("data").where("kind", "=", LEFT).executeTakeFirst();
  return row === undefined ? undefined : (JSON.parse(row.data) as { to: string }).to;
}

/**
 * The orders that stood when a database was moved still stand in it, and may have been carried out since: a server that
 * works with it again would erase machines a second time.
 *
 * @param place as people read it
 * @throws {Fault} DATABASE_LEFT
 */
export async function refuseLeft(db: Database, place: string): Promise<void> {
  const to = await leftTo(db);
  if (to === undefined) return;
  throw new Fault("DATABASE_LEFT", {
    what: `The database ${place} is not used any more.`,
    why: `It was moved to ${to}. Orders that stood then may be done by now, and would erase machines a second time.`,
    fix: `Set database.url to "${to}". To come back here: move this file away, then "bootcast db move --to" from there.`,
  });
}
