import { Fault } from "../../fault.ts";
import type { EventLog } from "../events.ts";
import type { BeatLine } from "./beat-line.ts";
import type { KnownServer, ServerRows } from "./member.ts";

/** What a server says of itself. */
export type ServerSelf = {
  /** The same after each start. */
  readonly id: string;
  /** Which machine, since it was switched on, and a number of this process: "MACHINE NUMBER". */
  readonly incarnation: string;
  readonly name: string;
  readonly version: string;
  readonly pid: number;
  /** Fingerprint of the site's key. */
  readonly key: string;
};

/** By the clock of the database, for people: nothing is decided by it. */
const DATABASE_MS = "floor(extract(epoch from clock_timestamp()) * 1000)::bigint";

/** Our row in the table of servers, and those of the others. */
export class PostgresServerRows implements ServerRows {
  readonly #line: BeatLine;
  readonly #events: EventLog;
  readonly #self: ServerSelf;

  constructor(line: BeatLine, events: EventLog, self: ServerSelf) {
    this.#line = line;
    this.#events = events;
    this.#self = self;
  }

  /** Writes our row. One that a former process of this server left is ours from now on, and its streams are. */
  async enter(): Promise<void> {
    const { id, incarnation, name, version, pid, key } = this.#self;
    await this.#line.run(
      `insert into servers (id, incarnation, beat, name, version, pid, site_key, addresses, is_leading, has_ended,
        started_at_ms, seen_at_ms) values ($1, $2, 0, $3, $4, $5, $6, '[]', 0, 0, ${DATABASE_MS}, ${DATABASE_MS})
      on conflict (id) do update set incarnation = excluded.incarnation, beat = servers.beat + 1, name = excluded.name,
        version = excluded.version, pid = excluded.pid, site_key = excluded.site_key, addresses = '[]', is_leading = 0,
        has_ended = 0, started_at_ms = excluded.started_at_ms, seen_at_ms = excluded.seen_at_ms`,
      [id, incarnation, name, version, pid, key],
    );
  }

  /** Lets the others know where our agents reach us. */
  async announce(addresses: readonly string[]): Promise<void> {
    const { id, incarnation } = this.#self;
    await this.#line.run("update servers set addresses = $3 where id = $1 and incarnation = $2", [
      id,
      incarnation,
      JSON.stringify(addresses),
    ]);
  }

  /** Says that we end by ourselves: whoever is there need not wait for our lease. */
  async leave(): Promise<void> {
    const { id, incarnation } = this.#self;
    await this.#line.run(
      "update servers set has_ended = 1, is_leading = 0, beat = beat + 1 where id = $1 and incarnation = $2",
      [id, incarnation],
    );
  }

  /** Whether our row was left by a process of this machine that is no more. */
  async isOfDeadProcess(): Promise<boolean> {
    const { id, incarnation } = this.#self;
    const [row] = await this.#line.run("select incarnation, pid from servers where id = $1", [id]);
    // A copy of this machine has the same name, and other processes.
    const machineOf = (text: string) => text.split(" ", 1)[0];
    if (row === undefined || machineOf(String(row["incarnation"])) !== machineOf(incarnation)) return false;
    const pid = Number(row["pid"]);
    if (pid === process.pid) return true;
    try {
      process.kill(pid, 0);
      return false;
    } catch (error) {
      // Of somebody else's it may not be asked, but it is there.
      return (error as NodeJS.ErrnoException).code === "ESRCH";
    }
  }

  async beat(): Promise<boolean> {
    const { id, incarnation } = this.#self;
    const ours = await this.#line.run(
      `update servers set beat = beat + 1, seen_at_ms = ${DATABASE_MS}
        where id = $1 and incarnation = $2 and has_ended = 0 returning beat`,
      [id, incarnation],
    );
    return ours.length === 1;
  }

  async list(): Promise<KnownServer[]> {
    const rows = await this.#line.run("select * from servers where has_ended = 0 order by name, id", []);
    return rows.map((row) => ({
      id: String(row["id"]),
      incarnation: String(row["incarnation"]),
      beat: Number(row["beat"]),
      name: String(row["name"]),
      version: String(row["version"]),
      addresses: JSON.parse(String(row["addresses"])) as string[],
      key: String(row["site_key"]),
      startedAtMs: Number(row["started_at_ms"]),
      seenAtMs: Number(row["seen_at_ms"]),
      isLeading: row["is_leading"] === 1,
    }));
  }

  /** The number is looked at again: it may have been counted up since. */
  async end({ id, incarnation, beat }: KnownServer): Promise<boolean> {
    return this.#events.change(async ({ tables, record }) => {
      const ended = await tables
        .updateTable("servers")
        .set({ has_ended: 1, is_leading: 0 })
        .where("id", "=", id)
        .where("incarnation", "=", incarnation)
        .where("beat", "=", beat)
        .where("has_ended", "=", 0)
        .returning("name")
        .execute();
      const [gone] = ended;
      if (gone === undefined) return false;
      await record({ kind: "server.gone", data: { server: gone.name, seenBy: this.#self.name } });
      return true;
    });
  }

  async lead(): Promise<boolean> {
    return this.#events.change(async ({ tables }) => {
      const { numUpdatedRows } = await tables
        .updateTable("servers")
        .set({ is_leading: 1 })
        .where("id", "=", this.#self.id)
        .where("incarnation", "=", this.#self.incarnation)
        .where("has_ended", "=", 0)
        .where(({ not, exists, selectFrom }) =>
          not(
            exists(selectFrom("servers as other").select("id").where("is_leading", "=", 1).where("has_ended", "=", 0)),
          ),
        )
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    });
  }
}

/** @throws {Fault} SITE_KEY_DIFFERS when another server's agents would not trust us */
export function checkSiteKeys(self: ServerSelf, others: readonly KnownServer[], dataDir: string): void {
  const stranger = others.find(({ id, key }) => id !== self.id && key !== self.key);
  if (stranger === undefined) return;
  throw new Fault("SITE_KEY_DIFFERS", {
    what: `The server ${stranger.name} works with the same database, and has another site key.`,
    why: "Machines trust one key: they would take no order from this server, and no image that it signed.",
    fix: `Copy the folder "keys" of its data directory to ${dataDir}/keys, for the user who runs bootcast, and start again.`,
  });
}
