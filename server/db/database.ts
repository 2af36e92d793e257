import { chmodSync, closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { Kysely, type SqliteDatabase, SqliteDialect } from "kysely";
import { Migrator } from "kysely/migration";
import { Fault } from "../../fault.ts";
import { migrations } from "./migrations.ts";
import type { Tables } from "./schema.ts";

export type Database = Kysely<Tables>;

/**
 * Opens the SQLite file at `path` (":memory:" in tests) and brings its tables up to date.
 *
 * @throws {Fault} DATABASE_UNREADABLE, DATABASE_NEWER
 */
export async function openDatabase(path: string): Promise<Database> {
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: open(path) }) });
  try {
    await migrate(db, path);
  } catch (error) {
    await db.destroy();
    throw error;
  }
  return db;
}

/** `node:sqlite` in the shape that Kysely's SQLite dialect drives. */
function open(path: string): SqliteDatabase {
  let sqlite: DatabaseSync;
  try {
    if (path !== ":memory:") keepPrivate(path);
    sqlite = new DatabaseSync(path, { timeout: 5_000 });
    // WAL: readers do not wait for the writer; FULL: what was written survives a power cut. A lost "done" or a
    // lost "stop" would give an order to erase once more.
    sqlite.exec("pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on");
    // Better no server than one that fails in the middle of an evening.
    const { quick_check: damage } = sqlite.prepare("pragma quick_check(1)").get() as { quick_check: string };
    if (damage !== "ok") throw new Error(`It is damaged: ${damage.replaceAll("\n", " ")}.`);
  } catch (error) {
    throw new Fault(
      "DATABASE_UNREADABLE",
      {
        what: `The database ${path} cannot be opened.`,
        why: (error as Error).message,
        fix: "Check that the directory can be written and is on a local disk (not NFS), or put a backup in its place. Moved away, it is made anew, without the hosts and sessions.",
      },
      error,
    );
  }
  return {
    close: () => sqlite.close(),
    prepare: (text) => {
      const statement = sqlite.prepare(text);
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...(parameters as never[])),
        run: (parameters) => statement.run(...(parameters as never[])),
        iterate: (parameters) => statement.iterate(...(parameters as never[])),
      };
    },
  };
}

/** Who the hosts are and what was ordered is the owner's alone. SQLite gives its side files the mode of this one. */
function keepPrivate(path: string): void {
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
}

async function migrate(db: Database, path: string): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  const why = error instanceof Error ? error.message : String(error);
  // Kysely says so when the file has had a step that this program does not know.
  if (why.includes("previously executed migration")) {
    throw new Fault(
      "DATABASE_NEWER",
      {
        what: `The database ${path} was written by a newer bootcast.`,
        why,
        fix: "Install the newer version again: databases only go forward.",
      },
      error,
    );
  }
  throw new Fault(
    "DATABASE_UNREADABLE",
    {
      what: `The tables of ${path} cannot be brought up to date.`,
      why,
      fix: "Put a backup in its place, or move it away to start with an empty one.",
    },
    error,
  );
}
