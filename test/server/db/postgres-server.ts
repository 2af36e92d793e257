import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { openDatabase } from "../../../server/db/database.ts";
import type { PostgresPlace } from "../../../server/db/place.ts";

const run = promisify(execFile);
const NOBODY = 65_534;

/** Where Debian's package has its programs, the newest version; undefined: it is not there. */
const programs = globSync("/usr/lib/postgresql/*/bin")
  .filter((folder) => existsSync(join(folder, "initdb")))
  .toSorted((one, other) => versionOf(one) - versionOf(other))
  .at(-1);

/** For `skip`. */
export const postgresMissing: string | false = programs === undefined && "no postgresql";

function versionOf(folder: string): number {
  return Number(folder.split("/")[4]);
}

/** A PostgreSQL server of the tests' own, on a UNIX socket in a temporary folder. It never runs as root. */
export class PostgresServer {
  readonly folder: string;
  readonly #as: { readonly uid?: number; readonly gid?: number };
  #child: ReturnType<typeof spawn> | undefined;
  #made = 0;
  #template: Promise<string> | undefined;
  /** The tables of every database that is emptied. */
  #names: string[] = [];

  private constructor(folder: string, as: { uid?: number; gid?: number }) {
    this.folder = folder;
    this.#as = as;
  }

  static async start(): Promise<PostgresServer> {
    // Short, because the path of a socket has 107 bytes at most.
    const folder = mkdtempSync(join(tmpdir(), "bc-pg-"));
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(folder, NOBODY, NOBODY);
    chmodSync(folder, 0o755);
    const server = new PostgresServer(folder, isRoot ? { uid: NOBODY, gid: NOBODY } : {});
    const options = ["--auth=trust", "--username=bootcast", "--encoding=UTF8", "--no-locale", "--no-sync"];
    await run(join(programs!, "initdb"), ["--pgdata", join(folder, "data"), ...options], server.#options());
    await server.up();
    return server;
  }

  /** Starts it, after `kill`. */
  async up(): Promise<void> {
    const words = ["-D", join(this.folder, "data"), "-k", this.folder];
    const settings = [
      "listen_addresses=",
      "fsync=off",
      "full_page_writes=off",
      "max_connections=300",
      "autovacuum=off",
    ];
    // It ends with its input, so also when this process is killed.
    const guarded = '"$@" </dev/null & read -r _; kill -QUIT $!; wait $!';
    const command = [join(programs!, "postgres"), ...words, ...settings.flatMap((set) => ["-c", set])];
    const child = spawn("/bin/sh", ["-c", guarded, "sh", ...command], {
      ...this.#options(),
      stdio: ["pipe", "ignore", "pipe"],
    });
    this.#child = child;
    let printed = "";
    await new Promise<void>((resolve, reject) => {
      child.stderr!.on("data", (chunk: Buffer) => {
        printed += String(chunk);
        if (printed.includes("ready to accept connections")) resolve();
      });
      child.once("error", reject);
      child.once("exit", () => reject(new Error(`PostgreSQL ended: ${printed}`)));
    });
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    const child = this.#child!;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.stdin!.end();
    await exit;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs one statement. @returns its rows */
  async query(statement: string, database = "postgres"): Promise<Record<string, unknown>[]> {
    const { host, port, user } = this.place(database);
    const client = new pg.Client({ host, port, user: user!, database });
    await client.connect();
    try {
      return (await client.query(statement)).rows as Record<string, unknown>[];
    } finally {
      await client.end();
    }
  }

  /** A new empty database. @param like made as a copy of this one */
  async create(like = "template0", more = ""): Promise<PostgresPlace> {
    this.#made += 1;
    const database = `made_${this.#made}`;
    await this.query(`create database ${database} template ${like} ${more}`);
    return this.place(database);
  }

  /** Takes all rows out of a database, and lets its numbers begin again. */
  async empty({ database }: PostgresPlace): Promise<void> {
    const tables = await this.#tables(database);
    const each = tables.map((name) => `delete from "${name}";`).join("");
    await this.query(
      `begin; set local session_replication_role = replica; ${each}
      select setval(oid::regclass, 1, false) from pg_class where relkind = 'S'; commit`,
      database,
    );
  }

  async #tables(database: string): Promise<string[]> {
    if (this.#names.length === 0) {
      const found = "select tablename from pg_tables where schemaname = 'public' and tablename not like 'kysely%'";
      this.#names = (await this.query(found, database)).map(({ tablename }) => String(tablename));
    }
    return this.#names;
  }

  /** The same with the tables. */
  async prepared(): Promise<PostgresPlace> {
    this.#template ??= this.create().then(async (place) => {
      await (await openDatabase(place)).destroy();
      return place.database;
    });
    return this.create(await this.#template);
  }

  place(database: string): PostgresPlace {
    const more = { user: "bootcast", tls: "disable", authorityFile: undefined, password: undefined } as const;
    return { host: this.folder, port: 5432, database, ...more };
  }

  // A locale that every machine has; English messages.
  #options() {
    return { cwd: this.folder, env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C", TZ: "UTC" }, ...this.#as };
  }
}
