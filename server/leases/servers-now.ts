import { sql } from "kysely";
import type { Database } from "../db/database.ts";
import type { Membership } from "./membership.ts";

/** The servers of a PostgreSQL database, as people see them. */
export type ServersNow = {
  readonly servers: readonly ServerNow[];
  /** Servers that went away without a word in the last day, and did not come back. */
  readonly gone: readonly string[];
  /** How far the database's clock is ahead of ours. */
  readonly databaseAheadMs: number;
};

export type ServerNow = {
  readonly name: string;
  readonly version: string;
  /** Where its agents reach it. */
  readonly addresses: readonly string[];
  readonly startedAtMs: number;
  /** By the clock of the database. */
  readonly seenAtMs: number;
  readonly isSelf: boolean;
  /** It sees to schedules, waves and messages. */
  readonly isLeading: boolean;
};

const DAY_MS = 86_400_000;

/** Undefined: this server is the only one its database can have. */
export async function serversNow(
  db: Database,
  membership: Pick<Membership, "id"> | undefined,
  now: () => number,
): Promise<ServersNow | undefined> {
  if (membership === undefined) return undefined;
  const rows = await db.selectFrom("servers").selectAll().where("has_ended", "=", 0).orderBy("name").execute();
  const askedMs = now();
  const clock = await sql<{
    ms: number;
  }>`select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as ms`.execute(db);
  const answeredMs = now();
  const events = await db
    .selectFrom("events")
    .select("data")
    .where("kind", "=", "server.gone")
    .where("at_ms", ">", answeredMs - DAY_MS)
    .execute();
  const gone = events.map(({ data }) => String((JSON.parse(data) as { server: string }).server));
  return {
    servers: rows.map((row) => ({
      name: row.name,
      version: row.version,
      addresses: JSON.parse(row.addresses) as string[],
      startedAtMs: row.started_at_ms,
      seenAtMs: row.seen_at_ms,
      isSelf: row.id === membership.id,
      isLeading: row.is_leading === 1,
    })),
    gone: [...new Set(gone)].filter((name) => rows.every((row) => row.name !== name)),
    databaseAheadMs: (clock.rows[0]?.ms ?? answeredMs) - Math.round((askedMs + answeredMs) / 2),
  };
}

/** For `/metrics`; nothing where there can be one server only. */
export function serverMetrics(membership: Pick<Membership, "others" | "isLeading"> | undefined): string {
  if (membership === undefined) return "";
  return [
    "# HELP bootcast_servers Servers that work with this database, this one among them.",
    "# TYPE bootcast_servers gauge",
    `bootcast_servers ${membership.others.length + 1}`,
    "# HELP bootcast_server_leading 1 where this server sees to schedules, waves and messages.",
    "# TYPE bootcast_server_leading gauge",
    `bootcast_server_leading ${Number(membership.isLeading)}`,
    "",
  ].join("\n");
}
