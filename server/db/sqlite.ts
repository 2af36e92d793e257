import { chmodSync, closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { Dialect, SqliteStatement } from "kysely";
import { Fault } from "../../fault.ts";
import { refuseNetworkDisk } from "./network-disk.ts";
import { type DrivenSqlite, drivenSqlite } from "./sqlite-driver.ts";
import { WriteAheadLog } from "./write-ahead-log.ts";

/** Ours are always the same few; those with lists of any length are as many as there are lengths. */
const MOST_STATEMENTS = 200;

/**
 * The SQLite file at `path`.
 *
 * @param isReadOnly nothing there is changed; otherwise the file is made when it is not there
 * @throws {Fault} DATABASE_UNREADABLE, DATABASE_ON_NETWORK_DISK
 */
export function sqliteDialect(path: string, { isReadOnly }: { readonly isReadOnly: boolean }): Dialect {
  refuseNetworkDisk(path);
  return drivenSqlite(open(path, isReadOnly));
}

/** `node:sqlite` in the shape that Kysely's SQLite dialect drives. */
function open(path: string, isReadOnly: boolean): DrivenSqlite {
  let sqlite: DatabaseSync;
  let log: WriteAheadLog | undefined;
  try {
    if (!isReadOnly && path !== ":memory:") keepPrivate(path);
    sqlite = new DatabaseSync(path, { timeout: 5_000, readOnly: isReadOnly });
    // WAL: readers do not wait for the writer. NORMAL: what is written survives a power cut once the log is on the disk,
    // which `WriteAheadLog` waits for. A lost "done" or a lost "stop" would give an order to erase once more.
    if (!isReadOnly) sqlite.exec("pragma journal_mode = wal; pragma synchronous = normal; pragma foreign_keys = on");
    // Better no server than one that fails in the middle of an evening.
    const { quick_check: damage } = sqlite.prepare("pragma quick_check(1)").get() as { quick_check: string };
    if (damage !== "ok") throw new Error(`It is damaged: ${damage.replaceAll("\n", " ")}.`);
    if (!isReadOnly && path !== ":memory:") log = new WriteAheadLog(path);
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
  const statements = new Map<string, SqliteStatement>();
  let hasWritten = false;
  const prepare = (text: string): SqliteStatement => {
    const statement = sqlite.prepare(text);
    return {
      reader: statement.columns().length > 0,
      all: (parameters) => statement.all(...(parameters as never[])),
      run: (parameters) => statement.run(...(parameters as never[])),
      // One of its own: it is read while others run.
      iterate: (parameters) => sqlite.prepare(text).iterate(...(parameters as never[])),
    };
  };
  return {
    close: () => {
      log?.close();
      sqlite.close();
    },
    takeWritten: () => {
      const had = hasWritten;
      hasWritten = false;
      return had;
    },
    durable: async () => log?.durable(),
    prepare: (text) => {
      if (!text.startsWith("select ")) hasWritten = true;
      if (!isKept(text)) {
        // It may change tables, and what statements answer with them.
        statements.clear();
        return prepare(text);
      }
      const statement = statements.get(text) ?? prepare(text);
      // The one that was used last is the last.
      statements.delete(text);
      statements.set(text, statement);
      for (const [oldest] of statements) {
        if (statements.size <= MOST_STATEMENTS) break;
        statements.delete(oldest);
      }
      return statement;
    },
  };
}

/** Whether a statement is likely to come again, and leaves the tables the columns that they have. */
function isKept(text: string): boolean {
  return /^(select|insert|update|delete|begin|commit|rollback|savepoint|release)\b/.test(text);
}

/** Who the hosts are and what was ordered is the owner's alone. SQLite gives its side files the mode of this one. */
function keepPrivate(path: string): void {
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
}
