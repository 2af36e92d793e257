import { type Database, openDatabase } from "../../server/db/database.ts";

type Opener = (path: string | undefined) => Promise<Database>;

let limit = Number.POSITIVE_INFINITY;
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

/**
 * From now on `testDatabase` answers databases of another kind.
 *
 * @param mostRuns how often a property is tried with them at most
 */
export function useDatabases(other: Opener, mostRuns: number): void {
  opener = other;
  limit = mostRuns;
}

/** How often a property is tried: in memory as often as it says, elsewhere a few times, because it is the same code. */
export function runs(count: number): number {
  return Math.min(count, limit);
}
