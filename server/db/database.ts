import { type Dialect, Kysely } from "kysely";
import { Migrator } from "kysely/migration";
import { Fault } from "../../fault.ts";
import { postgresColumns } from "./column-types.ts";
import { migrations } from "./migrations.ts";
import { type DatabasePlace, placeText } from "./place.ts";
import type { Tables } from "./schema.ts";
import { sqliteDialect } from "./sqlite.ts";

export type Database = Kysely<Tables>;

/**
 * Opens a database and brings its tables up to date.
 *
 * @param place a text is the path of a SQLite file, or ":memory:"
 * @param options.isShared other servers work with it now: its tables must be up to date already
 * @throws {Fault} DATABASE_UNREADABLE, DATABASE_ON_NETWORK_DISK, DATABASE_NEWER, DATABASE_OLDER; of PostgreSQL
 *   DATABASE_UNREACHABLE, DATABASE_UNSUITABLE
 */
export async function openDatabase(
  place: DatabasePlace | string,
  { isShared = false }: { readonly isShared?: boolean } = {},
): Promise<Database> {
  const where = typeof place === "string" ? { file: place } : place;
  const db = await connectDatabase(where);
  try {
    if (isShared) await refuseOlder(db, where);
    await migrate(db, where);
  } catch (error) {
    await db.destroy();
    throw error;
  }
  return db;
}

/**
 * The same, with the tables that it has.
 *
 * @param options.isReadOnly what would change something is refused
 */
export async function connectDatabase(
  place: DatabasePlace,
  options: { readonly isReadOnly: boolean } = { isReadOnly: false },
): Promise<Database> {
  if ("file" in place) return databaseOf(sqliteDialect(place.file, options));
  // Loaded where it is needed: most have no PostgreSQL.
  const { checkPostgres, postgresDialect } = await import("./postgres.ts");
  const db = databaseOf(postgresDialect(place, options));
  try {
    await checkPostgres(db, place);
  } catch (error) {
    await db.destroy();
    throw error instanceof Fault && error.cause instanceof Fault ? error.cause : error;
  }
  return db;
}

function databaseOf(dialect: Dialect): Database {
  return new Kysely<Tables>({ dialect });
}

const provider = { getMigrations: async () => ({ ...migrations }) };

/** Nobody's tables change under a running server. @throws {Fault} DATABASE_OLDER */
async function refuseOlder(db: Database, place: DatabasePlace): Promise<void> {
  const steps = await new Migrator({ db, provider }).getMigrations();
  const missing = steps.filter(({ executedAt }) => executedAt === undefined).map(({ name }) => name);
  if (missing.length === 0) return;
  throw new Fault("DATABASE_OLDER", {
    what: `The database ${"file" in place ? place.file : placeText(place)} was written by an older bootcast.`,
    why: `Servers of that version work with it now, and it would be changed under them: ${missing.join(", ")}.`,
    fix: "Stop all its servers, then start them again with this version.",
  });
}

/** @throws {Fault} DATABASE_NEWER, DATABASE_UNREADABLE */
async function migrate(database: Database, place: DatabasePlace): Promise<void> {
  const db = "file" in place ? database : database.withPlugin(postgresColumns);
  const migrator = new Migrator({ db, provider });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (error instanceof Fault) throw error;
  const where = "file" in place ? place.file : placeText(place);
  const why = error instanceof Error ? error.message : String(error);
  // Kysely says so when the file has had a step that this program does not know.
  if (why.includes("previously executed migration")) {
    throw new Fault(
      "DATABASE_NEWER",
      {
        what: `The database ${where} was written by a newer bootcast.`,
        why,
        fix: "Install the newer version again: databases only go forward.",
      },
      error,
    );
  }
  throw new Fault(
    "DATABASE_UNREADABLE",
    {
      what: `The tables of ${where} cannot be brought up to date.`,
      why,
      fix: "Put a backup in its place, or move it away to start with an empty one.",
    },
    error,
  );
}
