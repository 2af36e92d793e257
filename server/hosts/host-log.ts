import type { Database } from "../db/database.ts";
import type { Change } from "../events.ts";

/** The end of what a host's agent wrote down while it worked. */
export type HostLog = {
  readonly atMs: number;
  /** The session that it worked for; null: none. */
  readonly session: number | null;
  /** Lines of JSON, as pino writes them. */
  readonly log: string;
};

/** Keeps the last one of each host. It tells of no change, so it is no event. */
export async function keepLog(
  { tables, nowMs }: Pick<Change, "tables" | "nowMs">,
  hostId: string,
  { session, log }: Omit<HostLog, "atMs">,
): Promise<void> {
  const row = { at_ms: nowMs, deploy_id: session, log };
  await tables
    .insertInto("host_logs")
    .values({ host_id: hostId, ...row })
    .onConflict((conflict) => conflict.column("host_id").doUpdateSet(row))
    .execute();
}

/** Undefined: it has ended nothing yet, or its boot image is too old to send it. */
export async function logOf(db: Pick<Database, "selectFrom">, hostId: string): Promise<HostLog | undefined> {
  const row = await db.selectFrom("host_logs").selectAll().where("host_id", "=", hostId).executeTakeFirst();
  return row === undefined ? undefined : { atMs: row.at_ms, session: row.deploy_id, log: row.log };
}
