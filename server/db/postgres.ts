import { readFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Kysely,
  PostgresAdapter,
  PostgresDriver,
  PostgresIntrospector,
  type PostgresPool,
  type PostgresPoolClient,
  PostgresQueryCompiler,
  sql,
  type TransactionSettings,
} from "kysely";
import pg, { type ClientConfig, type PoolClient } from "pg";
import { Fault } from "../../fault.ts";
import { type PostgresPlace, placeText } from "./place.ts";
import type { Tables } from "./schema.ts";

/** Connections at the same time: one that writes, the others read. */
const MOST_CONNECTIONS = 8;
const CONNECT_WITHIN_MS = 10_000;
/** No statement of ours takes so long; without an answer the server or the way to it is gone. */
const ANSWER_WITHIN_MS = 60_000;
/** How long another's change is waited for. */
const LOCK_WITHIN_MS = 30_000;
const KEEP_IDLE_MS = 10_000;
/** Debian 11 has 13. */
const OLDEST_VERSION = 130_000;
/** "bootcast" and 1, as a number. Each database has its own locks. */
const CHANGE_LOCK = 0x626f_6f74_0001n;

/** int8, and what sums of it are. */
const wholeNumbers = [20, 1700];

/** A connection's settings; `name` is shown in pg_stat_activity. */
export function clientConfig(place: PostgresPlace, name: string, isReadOnly = false): ClientConfig {
  return {
    host: place.host,
    port: place.port,
    user: place.user ?? userInfo().username,
    database: place.database,
    // An empty one, because undefined takes that of the environment.
    password: place.password ?? "",
    ssl: tlsOptions(place),
    application_name: name.slice(0, 63),
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    query_timeout: ANSWER_WITHIN_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    // What was written survives a power cut, whatever the server's own default is.
    options: [
      "-c synchronous_commit=on",
      `-c lock_timeout=${LOCK_WITHIN_MS}`,
      `-c idle_in_transaction_session_timeout=${ANSWER_WITHIN_MS}`,
      ...(isReadOnly ? ["-c default_transaction_read_only=on"] : []),
    ].join(" "),
    types: { getTypeParser: parserOf as typeof pg.types.getTypeParser },
  };
}

function tlsOptions({ tls, authorityFile, host }: PostgresPlace): ClientConfig["ssl"] {
  if (tls === "disable") return false;
  return {
    rejectUnauthorized: tls === "verify-full",
    host,
    ...(authorityFile === undefined ? {} : { ca: readAuthority(authorityFile) }),
  };
}

function readAuthority(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault(
      "DATABASE_UNREACHABLE",
      {
        what: `The certificate authority of the database cannot be read: ${path}.`,
        why: (error as Error).message,
        fix: "Name a PEM file with ?sslrootcert= in database.url.",
      },
      error,
    );
  }
}

/** Whole numbers are numbers: all of ours are exact in 53 bits. */
function parserOf(oid: number, format?: "text" | "binary"): (value: string) => unknown {
  return wholeNumbers.includes(oid)
    ? Number
    : (pg.types.getTypeParser(oid, format as "text") as (value: string) => unknown);
}

/**
 * A database of a PostgreSQL server. Transactions come one after the other, whichever server or program begins them, as
 * they do in SQLite: so a decision never meets another one half-way, and events are committed in the order of their ids.
 */
export function postgresDialect(place: PostgresPlace, { isReadOnly }: { readonly isReadOnly: boolean }): Dialect {
  return {
    createDriver: () => new OneWriterDriver({ pool: poolOf(place, isReadOnly) }),
    createAdapter: () => new PostgresAdapter(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
}

class OneWriterDriver extends PostgresDriver {
  override async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    await super.beginTransaction(connection, settings);
    try {
      // Given back at the end of the transaction, when others see what it wrote.
      await connection.executeQuery(CompiledQuery.raw(`select pg_advisory_xact_lock(${CHANGE_LOCK})`));
    } catch (error) {
      await this.rollbackTransaction(connection as never);
      throw error;
    }
  }
}

/** pg's pool, with errors in our words. */
function poolOf(place: PostgresPlace, isReadOnly: boolean): PostgresPool {
  const pool = new pg.Pool({
    ...clientConfig(place, `bootcast ${process.pid} on ${hostname()}`, isReadOnly),
    max: MOST_CONNECTIONS,
    idleTimeoutMillis: KEEP_IDLE_MS,
    // The server's own sockets keep it running.
    allowExitOnIdle: true,
  });
  // A connection that ends is told to whoever uses it; one that nobody uses is made anew when it is needed.
  pool.on("connect", (client) => client.on("error", () => {}));
  pool.on("error", () => {});
  return {
    options: {},
    end: () => pool.end(),
    connect: async () => {
      let client: PoolClient;
      try {
        client = await pool.connect();
      } catch (error) {
        throw gone(unreachable(place, error));
      }
      let isLost = false;
      return {
        query: async (text: string, values?: readonly unknown[]) => {
          try {
            return await client.query(text, values?.map(storable));
          } catch (error) {
            if (!isConnectionError(error)) throw error;
            isLost = true;
            throw gone(unreachable(place, error));
          }
        },
        release: (isBroken?: boolean) => client.release(isLost || isBroken === true),
        // Its types also have cursors, which nobody uses here.
      } as unknown as PostgresPoolClient;
    },
  };
}

/** PostgreSQL's text cannot hold the character NUL, which strangers may send. */
function storable(value: unknown): unknown {
  return typeof value === "string" && value.includes("\0") ? value.replaceAll("\0", "\ufffd") : value;
}

/** An answer of the server to a statement has a code of five characters; class 57P is about the server going down. */
function isConnectionError(error: unknown): boolean {
  const { code = "" } = error as { code?: string };
  return !/^[0-9A-Z]{5}$/.test(code) || code.startsWith("57P") || code.startsWith("08");
}

/** In words what a server or the network answered. */
const hints: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Nobody answers there. Start PostgreSQL, or correct database.url.",
  ENOENT: "There is no such socket. Start PostgreSQL, or name the folder of its socket: ?host=/run/postgresql",
  ENOTFOUND: "Correct the name of the host in database.url.",
  "28P01": "Write the password into a file, and name it in database.password_file.",
  "28000": "Correct the user in database.url, or allow it in pg_hba.conf.",
  "3D000": "Make it: createdb --encoding UTF8 --template template0 NAME",
};

export function unreachable(place: PostgresPlace, error: unknown): Fault {
  if (error instanceof Fault) return error;
  const { code = "", message } = error as Error & { code?: string };
  return new Fault(
    "DATABASE_UNREACHABLE",
    {
      what: `The database ${placeText(place)} cannot be used.`,
      why: message === "" ? code || "The connection ended." : message,
      fix: hints[code] ?? "Look at the log of PostgreSQL, and at the network between. bootcast goes on by itself then.",
    },
    error,
  );
}

/** For whoever asked something: strangers are not told where the database is. The log has the cause. */
function gone(cause: Fault): Fault {
  return new Fault(
    cause.code,
    {
      what: "The server cannot use its database now.",
      why: "PostgreSQL does not answer it.",
      fix: "Try again in a minute. The log of the server says more.",
    },
    cause,
  );
}

/** @throws {Fault} DATABASE_UNSUITABLE for another encoding than UTF-8, or a server that is too old */
export async function checkPostgres(db: Kysely<Tables>, place: PostgresPlace): Promise<void> {
  const { rows } = await sql<{ encoding: string; version: string }>`
    select current_setting('server_encoding') as encoding, current_setting('server_version_num') as version`.execute(
    db,
  );
  const [{ encoding, version }] = rows as [{ encoding: string; version: string }];
  const why =
    encoding !== "UTF8"
      ? `Its encoding is ${encoding}, which has no place for every name.`
      : Number(version) < OLDEST_VERSION
        ? `The server's version is ${version}.`
        : undefined;
  if (why === undefined) return;
  throw new Fault("DATABASE_UNSUITABLE", {
    what: `The database ${placeText(place)} cannot hold what bootcast stores.`,
    why,
    fix: "Make one in a PostgreSQL of version 13 or newer: createdb --encoding UTF8 --template template0 NAME",
  });
}
