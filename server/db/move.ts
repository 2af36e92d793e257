import { statSync } from "node:fs";
import { sql } from "kysely";
import { Fault } from "../../fault.ts";
import { EventLog } from "../events.ts";
import { connectDatabase, type Database, openDatabase } from "./database.ts";
import { LEFT, refuseLeft } from "./left.ts";
import { type DatabasePlace, placeText } from "./place.ts";
import {
  type AnyTables,
  ContentSum,
  contentOf,
  inOrderOfReferences,
  lastNumber,
  pagesOf,
  setLastNumber,
  type TableContent,
  type TableShape,
  tableShapes,
} from "./tables.ts";

export type Moved = {
  readonly from: string;
  readonly to: string;
  /** Rows of each table. */
  readonly tables: Readonly<Record<string, number>>;
};

/** Values that one statement may have: SQLite takes 32 766, PostgreSQL 65 535. */
const MOST_VALUES = 30_000;

/**
 * Copies everything from one database to an empty other one and compares every row: all or nothing. After that servers
 * refuse the one that was left. Interrupted at the very end, it is enough to repeat it. No server may work with either.
 *
 * @param options.onTable called when a table is copied
 * @throws {Fault} DATABASE_SAME, DATABASE_LEFT, DATABASE_NOT_EMPTY, DATABASE_NOT_EQUAL, and those of opening them
 */
export async function moveDatabase(
  from: DatabasePlace,
  to: DatabasePlace,
  options: { readonly now: () => number; onTable?(name: string, rows: number): void },
): Promise<Moved> {
  const names = { from: placeText(from), to: placeText(to) };
  if (isSame(from, to)) throw same(names.to);
  const source = await openDatabase(from);
  try {
    await refuseLeft(source, names.from);
    await refuseForeign(to, await tableShapes(source as unknown as AnyTables));
    const target = await openDatabase(to);
    try {
      const tables = await source.transaction().execute(async (reading) => {
        // From here on nobody else writes there: SQLite has one writer, and so have we in PostgreSQL.
        await reading.updateTable("events").set({ actor: null }).where("id", "<", 0).execute();
        const moved = await target
          .transaction()
          .execute((writing) =>
            copyAll(
              { db: reading as unknown as AnyTables, isSqlite: "file" in from },
              { db: writing as unknown as AnyTables, isSqlite: "file" in to, name: names.to },
              options.onTable,
            ),
          );
        const data = JSON.stringify({ to: names.to });
        await reading
          .insertInto("events")
          .values({ at_ms: options.now(), kind: LEFT, host_id: null, deploy_id: null, data })
          .execute();
        return moved;
      });
      await new EventLog(target, options.now).change(({ record }) =>
        record({ kind: "database.moved", data: { from: names.from } }),
      );
      return { ...names, tables };
    } finally {
      await target.destroy();
    }
  } finally {
    await source.destroy();
  }
}

/** A database that somebody else uses is not given tables of ours. */
async function refuseForeign(to: DatabasePlace, ours: readonly TableShape[]): Promise<void> {
  const db: Database = await connectDatabase(to);
  try {
    const there = await tableShapes(db as unknown as AnyTables);
    const foreign = there.find(({ name }) => !ours.some((our) => our.name === name));
    if (foreign !== undefined)
      throw notEmpty(placeText(to), `It has a table "${foreign.name}", which is not bootcast's.`);
  } finally {
    await db.destroy();
  }
}

type Side = { readonly db: AnyTables; readonly isSqlite: boolean };

async function copyAll(
  from: Side,
  to: Side & { readonly name: string },
  onTable?: (name: string, rows: number) => void,
): Promise<Record<string, number>> {
  const shapes = await tableShapes(from.db);
  const ordered = to.isSqlite ? shapes : await inOrderOfReferences(to.db, shapes);
  // References are checked at the end of the transaction.
  if (to.isSqlite) await sql`pragma defer_foreign_keys = on`.execute(to.db);
  const rowsOf: Record<string, number> = {};
  if (await isFilled(to.db, shapes)) return equalRows(from, to, shapes);
  for (const shape of ordered) {
    const copied = await copyTable(from.db, to.db, shape);
    await setLastNumber(to.db, shape, await lastNumber(from.db, shape, from.isSqlite), to.isSqlite);
    const there = await contentOf(to.db, shape);
    if (copied.rows !== there.rows || copied.digest !== there.digest) throw notEqual(to.name, shape.name);
    rowsOf[shape.name] = copied.rows;
    onTable?.(shape.name, copied.rows);
  }
  return rowsOf;
}

async function copyTable(from: AnyTables, to: AnyTables, shape: TableShape): Promise<TableContent> {
  const sum = new ContentSum(shape);
  const most = Math.floor(MOST_VALUES / shape.columns.length);
  for await (const rows of pagesOf(from, shape)) {
    sum.add(rows);
    for (let at = 0; at < rows.length; at += most) {
      await to
        .insertInto(shape.name)
        .values(rows.slice(at, at + most))
        .execute();
    }
  }
  return sum.end();
}

async function isFilled(db: AnyTables, shapes: readonly TableShape[]): Promise<boolean> {
  for (const { name } of shapes) {
    const row = await db.selectFrom(name).select(sql<number>`1`.as("one")).limit(1).executeTakeFirst();
    if (row !== undefined) return true;
  }
  return false;
}

/** The copy of a move that was interrupted before the old database was marked. @throws {Fault} DATABASE_NOT_EMPTY */
async function equalRows(
  from: Side,
  to: Side & { readonly name: string },
  shapes: readonly TableShape[],
): Promise<Record<string, number>> {
  const rowsOf: Record<string, number> = {};
  for (const shape of shapes) {
    const there = await contentOf(to.db, shape);
    const here = await contentOf(from.db, shape);
    if (here.digest !== there.digest) throw notEmpty(to.name, `Its table ${shape.name} has ${there.rows} rows.`);
    rowsOf[shape.name] = here.rows;
  }
  return rowsOf;
}

function isSame(from: DatabasePlace, to: DatabasePlace): boolean {
  if (!("file" in from && "file" in to)) return placeText(from) === placeText(to);
  const [one, other] = [from.file, to.file].map((path) => statSync(path, { throwIfNoEntry: false }));
  return from.file === to.file || (one !== undefined && one.ino === other?.ino && one.dev === other.dev);
}

function same(place: string): Fault {
  return new Fault("DATABASE_SAME", {
    what: "Nothing was moved.",
    why: `The database is ${place} already.`,
    fix: "Give another place with --to.",
  });
}

function notEmpty(place: string, why: string): Fault {
  return new Fault("DATABASE_NOT_EMPTY", {
    what: `Nothing was moved to ${place}, which is not empty.`,
    why,
    fix: "Give an empty one: createdb --encoding UTF8 --template template0 NAME. If its content is what was moved before, set database.url to it.",
  });
}

function notEqual(place: string, table: string): Fault {
  return new Fault("DATABASE_NOT_EQUAL", {
    what: `Nothing was moved to ${place}.`,
    why: `What was written into its table ${table} did not read back the same.`,
    fix: "This is a defect in bootcast: report it. The old database is unchanged.",
  });
}
