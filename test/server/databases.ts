import { type Database, openDatabase } from "../../server/db/database.ts";

type Opener = (path: string | undefined) => Promise<Database>;

let opener: Opener = (path) => openDatabase(path ?? ":memory:");

/**
 * An empty database, which is SQLite's, or what `useDatabases` says: the tests that have theirs from here are run on
 * PostgreSQL, too (test/server/db/postgres.test.ts).
 *
 * @param path the same database for the same path
 */
export function testDatabase(path?: string): Promise<Database> {
  return opener(path);
}

/** From now on `testDatabase` answers databases of another kind. */
export function useDatabases(other: Opener): void {
  opener = other;
}
