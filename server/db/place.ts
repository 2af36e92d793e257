import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../fault.ts";

/** Where a database is: a SQLite file (":memory:" in tests), or a database of a PostgreSQL server. */
export type DatabasePlace = SqlitePlace | PostgresPlace;
export type SqlitePlace = { readonly file: string };
export type PostgresPlace = {
  /** Name or address, or the folder of its UNIX socket. */
  readonly host: string;
  readonly port: number;
  /** Undefined: who runs this program. */
  readonly user: string | undefined;
  readonly database: string;
  readonly tls: TlsMode;
  /** PEM file of the authority that signed its certificate; undefined: those that Node trusts. */
  readonly authorityFile: string | undefined;
  readonly password: string | undefined;
};

/** As libpq's sslmode: no TLS, TLS with anybody, TLS with a server whose certificate is right. */
export const tlsModes = ["disable", "require", "verify-full"] as const;
export type TlsMode = (typeof tlsModes)[number];

const POSTGRES_PORT = 5432;
/** Where Debian's PostgreSQL has its socket. */
const SOCKET_FOLDER = "/var/run/postgresql";
const parameters = ["host", "port", "user", "sslmode", "sslrootcert"];

/**
 * Reads "sqlite:/whole/path" or "postgres://user@host:port/database?sslmode=…&sslrootcert=…". The folder of a UNIX
 * socket is `?host=/run/postgresql`. A password in it is not allowed: it would be seen in lists of processes and logs.
 *
 * @returns undefined when it is not allowed
 */
export function parseDatabaseUrl(text: string): DatabasePlace | undefined {
  if (text.startsWith("sqlite:")) {
    const file = text.slice("sqlite:".length);
    return file.startsWith("/") && !file.endsWith("/") && !file.includes("\0") ? { file } : undefined;
  }
  const url = URL.parse(text);
  if (url === null || !["postgres:", "postgresql:"].includes(url.protocol)) return undefined;
  const query = new Map(url.searchParams);
  if (url.password !== "" || url.hash !== "" || [...query.keys()].some((key) => !parameters.includes(key))) {
    return undefined;
  }
  const database = decoded(url.pathname.slice(1));
  const host = query.get("host") ?? decoded(url.hostname.replaceAll(/^\[|\]$/g, ""));
  const port = Number(query.get("port") ?? (url.port === "" ? POSTGRES_PORT : url.port));
  const tls = query.get("sslmode") ?? (isNear(host ?? "") ? "disable" : "verify-full");
  const isFine = Number.isInteger(port) && port > 0 && port < 65_536 && tlsModes.some((mode) => mode === tls);
  if (!isFine || host === undefined || database === undefined || !/^[^/\0]+$/.test(database)) return undefined;
  return {
    host: host === "" ? SOCKET_FOLDER : host,
    port,
    user: decoded(url.username) || query.get("user"),
    database,
    tls: tls as TlsMode,
    authorityFile: query.get("sslrootcert"),
    password: undefined,
  };
}

/** What nobody else on the network can listen to. */
function isNear(host: string): boolean {
  return host === "" || host.startsWith("/") || host === "localhost" || host === "::1" || host.startsWith("127.");
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/**
 * The place that is configured.
 *
 * @param set.url the setting database.url, as `parseDatabaseUrl` allows it; undefined: a SQLite file in the data directory
 * @param set.passwordFile its first line is PostgreSQL's password
 * @throws {Fault} PASSWORD_FILE
 */
export function databasePlace(
  dataDir: string,
  set: { readonly url: string | undefined; readonly passwordFile: string | undefined },
): DatabasePlace {
  const place = set.url === undefined ? undefined : parseDatabaseUrl(set.url);
  if (place === undefined) return { file: join(dataDir, "bootcast.db") };
  if ("file" in place || set.passwordFile === undefined) return place;
  return { ...place, password: firstLine(set.passwordFile) };
}

/** The same as a URL, without the password. */
export function placeText(place: DatabasePlace): string {
  if ("file" in place) return `sqlite:${place.file}`;
  const { host, port, user, database, tls, authorityFile } = place;
  const isSocket = host.startsWith("/");
  const query = new URLSearchParams();
  if (isSocket) {
    query.set("host", host);
    if (port !== POSTGRES_PORT) query.set("port", String(port));
    if (user !== undefined) query.set("user", user);
  }
  if (tls !== (isNear(host) ? "disable" : "verify-full")) query.set("sslmode", tls);
  if (authorityFile !== undefined) query.set("sslrootcert", authorityFile);
  const whom = isSocket || user === undefined ? "" : `${encodeURIComponent(user)}@`;
  const where = isSocket ? "" : `${host.includes(":") ? `[${host}]` : host}${port === POSTGRES_PORT ? "" : `:${port}`}`;
  const more = query.size === 0 ? "" : `?${query.toString().replaceAll("%2F", "/")}`;
  return `postgres://${whom}${where}/${encodeURIComponent(database)}${more}`;
}

function firstLine(path: string): string {
  try {
    const { mode } = statSync(path);
    if ((mode & 0o007) !== 0) {
      throw new Error(`Everybody may read it: its mode is ${(mode & 0o777).toString(8)}.`);
    }
    const [line = ""] = readFileSync(path, "utf8").split(/\r?\n/);
    if (line === "") throw new Error("Its first line is empty.");
    return line;
  } catch (error) {
    throw new Fault(
      "PASSWORD_FILE",
      {
        what: `The password of the database cannot be taken from ${path}.`,
        why: (error as Error).message,
        fix: `Write the password as its first line, for the user who runs bootcast alone: chmod 600 ${path}`,
      },
      error,
    );
  }
}
