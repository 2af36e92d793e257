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
 * Who works with a PostgreSQL database: several servers together, or one program alone (a server that brings the tables
 * up to date, a move to another database, a server from before there could be several). PostgreSQL gives the place back
 * when the connection ends, so when this process is killed.
 */
export class ServerLock {
  /** Somebody has the database alone now, because we were cut off from it. */
  readonly lost: Promise<Fault>;
  readonly #place: PostgresPlace;
  readonly #tellLost: (fault: Fault) => void;
  readonly #stopped = new AbortController();
  #isAlone = true;
  #client: pg.Client | undefined;

  private constructor(place: PostgresPlace) {
    const { promise, resolve } = Promise.withResolvers<Fault>();
    this.lost = promise;
    this.#tellLost = resolve;
    this.#place = place;
  }

  /**
   * Alone.
   *
   * @param waitMs how long others are waited for
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

  /**
   * Alone where nobody else is there, else with the other servers.
   *
   * @throws {Fault} DATABASE_IN_USE when somebody has it alone and stays, DATABASE_UNREACHABLE
   */
  static async enter(place: PostgresPlace, waitMs = WAIT_MS): Promise<ServerLock> {
    const lock = new ServerLock(place);
    const giveUpAt = performance.now() + waitMs;
    for (;;) {
      lock.#isAlone = true;
      if ((await lock.#try()) === undefined) return lock;
      lock.#isAlone = false;
      const other = await lock.#try();
      if (other === undefined) return lock;
      if (performance.now() >= giveUpAt) throw other;
      await sleep(TRY_EVERY_MS);
    }
  }

  /** Whether nobody else works with the database. */
  get isAlone(): boolean {
    return this.#isAlone;
  }

  /** From now on other servers may come. @throws {Fault} DATABASE_UNREACHABLE */
  async letOthersIn(): Promise<void> {
    if (!this.#isAlone) return;
    this.#isAlone = false;
    try {
      // The first one before the second one is given up: nobody gets in between.
      await this.#client?.query("select pg_advisory_lock_shared($1, $2)", [...SERVER_LOCK]);
      await this.#client?.query("select pg_advisory_unlock($1, $2)", [...SERVER_LOCK]);
    } catch (error) {
      throw unreachable(this.#place, error);
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
      const lock = this.#isAlone ? "pg_try_advisory_lock" : "pg_try_advisory_lock_shared";
      const { rows } = await client.query(`select ${lock}($1, $2) as ours`, [...SERVER_LOCK]);
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

  /** Whoever comes first has it: when that is somebody who wants it alone, ours ends. */
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
      what: `Somebody works with the database ${placeText(this.#place)}.`,
      why: `It is ${name}${address === null ? "" : ` (${address})`}.${this.#isAlone ? " This is to be done alone." : " It has the database for itself: it moves it, or is an older bootcast that cannot share it."}`,
      fix: "Stop that one first, or give this one a database of its own.",
    });
  }
}
