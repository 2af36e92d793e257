import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { Fault } from "../../fault.ts";
import { type PostgresPlace, placeText } from "./place.ts";
import { clientConfig, unreachable } from "./postgres.ts";

/** "bootcast" and 2, as two numbers. Each database has its own locks. */
const SERVER_LOCK = [0x626f_6f74, 2] as const;
const TRY_EVERY_MS = 500;
/** A server that was killed is seen to be gone at once, or when its machine is, by TCP. */
const WAIT_MS = 10_000;

/**
 * Makes this program the only server of a PostgreSQL database: what it keeps in memory is right as long as nobody else
 * changes the tables. PostgreSQL gives the place back when the connection ends, so when this process is killed.
 */
export class ServerLock {
  /** Another server works on the database now, because we were cut off from it. */
  readonly lost: Promise<Fault>;
  readonly #place: PostgresPlace;
  readonly #tellLost: (fault: Fault) => void;
  readonly #stopped = new AbortController();
  #client: pg.Client | undefined;

  private constructor(place: PostgresPlace) {
    const { promise, resolve } = Promise.withResolvers<Fault>();
    this.lost = promise;
    this.#tellLost = resolve;
    this.#place = place;
  }

  /**
   * @param waitMs how long another server is waited for
   * @throws {Fault} DATABASE_IN_USE, DATABASE_UNREACHABLE
   */
  static async take(place: PostgresPlace, waitMs = WAIT_MS): Promise<ServerLock> {
    const lock = new ServerLock(place);
    const giveUpAt = performance.now() + waitMs;
    for (;;) {
      const other = await lock.#try();
      if (other === undefined) return lock;
      if (performance.now() >= giveUpAt) throw other;
      await sleep(TRY_EVERY_MS);
    }
  }

  async release(): Promise<void> {
    this.#stopped.abort();
    await this.#client?.end().catch(() => {});
  }

  /** @returns who has it, when it is not ours now */
  async #try(): Promise<Fault | undefined> {
    const client = new pg.Client(clientConfig(this.#place, `bootcast server ${process.pid} on ${hostname()}`));
    // Comes before "end", which is what counts.
    client.on("error", () => {});
    try {
      await client.connect();
      const { rows } = await client.query("select pg_try_advisory_lock($1, $2) as ours", [...SERVER_LOCK]);
      if (rows[0]?.ours !== true) {
        const other = await this.#otherOf(client);
        await client.end();
        return other;
      }
    } catch (error) {
      await client.end().catch(() => {});
      throw unreachable(this.#place, error);
    }
    this.#client = client;
    client.once("end", () => {
      if (!this.#stopped.signal.aborted) void this.#takeAgain();
    });
    return undefined;
  }

  /** Whoever comes first has it: when that is another server, ours ends. */
  async #takeAgain(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      try {
        const other = await this.#try();
        if (other !== undefined) this.#tellLost(other);
        return;
      } catch {
        await sleep(TRY_EVERY_MS, undefined, { signal: this.#stopped.signal }).catch(() => {});
      }
    }
  }

  async #otherOf(client: pg.Client): Promise<Fault> {
    const { rows } = await client.query(
      `select application_name as name, client_addr as address from pg_locks
        join pg_stat_activity using (pid)
        where locktype = 'advisory' and classid = $1 and objid = $2 and objsubid = 2 and granted
          and pg_locks.database = (select oid from pg_database where datname = current_database())`,
      [...SERVER_LOCK],
    );
    const { name = "a program that has just ended", address = null } = (rows[0] ?? {}) as {
      name?: string;
      address?: string | null;
    };
    return new Fault("DATABASE_IN_USE", {
      what: `Another server works with the database ${placeText(this.#place)}.`,
      why: `It is ${name}${address === null ? "" : ` (${address})`}. Each would give orders that the other does not know.`,
      fix: "Stop that one first, or give this server a database of its own. For two servers on one database bootcast is not made.",
    });
  }
}
