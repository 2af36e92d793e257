import {
  type DatabaseConnection,
  type Dialect,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDialect,
  SqliteDriver,
} from "kysely";

/** What a SQLite file is driven by. */
export type DrivenSqlite = SqliteDatabase & {
  /** Whether anything was written since it was asked last. */
  takeWritten(): boolean;
  /** Resolves when all that was written so far survives a power cut. */
  durable(): Promise<void>;
};

/**
 * Kysely's SQLite dialect, but for two things: whoever wrote waits for the disk without keeping others from reading or
 * computing meanwhile, and those who wait at the same time wait for one look at the disk.
 */
export function drivenSqlite(database: DrivenSqlite): Dialect {
  const dialect = new SqliteDialect({ database });
  return {
    createDriver: () => new DurableDriver(database),
    createAdapter: () => new OwnMutexAdapter(),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
  };
}

/** There is one connection all the same; it is `DurableDriver` that gives it to one after the other. */
class OwnMutexAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class DurableDriver extends SqliteDriver {
  readonly #sqlite: DrivenSqlite;
  readonly #waiting: (() => void)[] = [];
  #isTaken = false;

  constructor(sqlite: DrivenSqlite) {
    super({ database: sqlite });
    this.#sqlite = sqlite;
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    if (this.#isTaken) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#isTaken = true;
    return super.acquireConnection();
  }

  /** Behind a commit, and behind each statement that is none of a transaction. */
  override async releaseConnection(): Promise<void> {
    const hasWritten = this.#sqlite.takeWritten();
    // Whoever is next has it from here on; nobody comes between.
    const next = this.#waiting.shift();
    if (next === undefined) this.#isTaken = false;
    else next();
    if (hasWritten) await this.#sqlite.durable();
  }
}
