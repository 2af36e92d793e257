import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Kysely, sql } from "kysely";
import { openDatabase } from "../../../server/db/database.ts";
import type { Tables } from "../../../server/db/schema.ts";
import { type DrivenSqlite, drivenSqlite } from "../../../server/db/sqlite-driver.ts";
import { WriteAheadLog } from "../../../server/db/write-ahead-log.ts";

/** A database whose disk is brought up to date when the test says so. */
function slowDisk() {
  const waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  const ran: string[] = [];
  let hasWritten = false;
  const sqlite: DrivenSqlite = {
    close() {},
    prepare: (text) => {
      if (!text.startsWith("select ")) hasWritten = true;
      return {
        reader: text.startsWith("select "),
        all: () => [],
        run: () => {
          ran.push(text);
          return { changes: 1, lastInsertRowid: 1 };
        },
        iterate: () => [][Symbol.iterator](),
      };
    },
    takeWritten: () => {
      const had = hasWritten;
      hasWritten = false;
      return had;
    },
    durable: () => new Promise<void>((resolve, reject) => waiting.push({ resolve, reject })),
  };
  return { db: new Kysely<Tables>({ dialect: drivenSqlite(sqlite) }), waiting, ran };
}

const turn = () => new Promise(setImmediate);

test("who wrote waits for the disk; who reads meanwhile does not, nor does the next who writes keep it from that", async () => {
  const { db, waiting, ran } = slowDisk();
  const done: string[] = [];
  const write = (name: string) =>
    db
      .transaction()
      .execute((tables) => sql`update ${sql.raw(name)}`.execute(tables))
      .then(() => done.push(name));
  const writing = [write("one"), write("two")];
  await turn();
  assert.deepEqual(ran, ["begin", "update one", "commit", "begin", "update two", "commit"], "one behind the other");
  assert.deepEqual([done, waiting.length], [[], 2]);
  await sql`select 1`.execute(db);
  waiting[1]!.resolve();
  await turn();
  assert.deepEqual(done, ["two"]);
  waiting[0]!.reject(new Error("the disk is gone"));
  const ended = await Promise.allSettled(writing);
  assert.deepEqual(
    ended.map(({ status }) => status),
    ["rejected", "fulfilled"],
  );
});

test("a statement that is none of a transaction waits as well; one that takes itself back leaves the connection free", async () => {
  const { db, waiting } = slowDisk();
  let isDone = false;
  const writing = sql`delete from events`.execute(db).then(() => {
    isDone = true;
  });
  await turn();
  assert.equal(isDone, false);
  waiting[0]!.resolve();
  await writing;
  const failing = db.transaction().execute(async (tables) => {
    await sql`update hosts`.execute(tables);
    throw new Error("no");
  });
  await turn();
  waiting[1]!.resolve();
  await assert.rejects(failing, /no/);
  await sql`select 1`.execute(db);
});

test("many who wait share a look at the disk, and it is one that began behind all of them", async () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-log-"));
  const path = join(directory, "bootcast.db");
  const db = await openDatabase(path);
  const log = new WriteAheadLog(path);
  await Promise.all(Array.from({ length: 50 }, () => log.durable()));
  await log.durable();
  log.close();
  await log.durable();
  await db.destroy();
  assert.throws(() => new WriteAheadLog(path), { code: "ENOENT" });
  rmSync(directory, { recursive: true });
});
