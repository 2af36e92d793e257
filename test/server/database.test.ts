import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { sql } from "kysely";
import { openDatabase } from "../../server/db/database.ts";
import { EventLog } from "../../server/events.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-database-"));
after(() => rmSync(directory, { recursive: true }));

const tables: Readonly<Record<string, readonly string[]>> = {
  events: ["id", "at_ms", "kind", "host_id", "deploy_id", "data", "actor"],
  hosts: [
    ...["id", "name", "mac", "uuid", "serial", "vendor", "model", "inventory", "token_hash", "state"],
    ...["state_since_ms", "detail", "percent", "fault", "waiting_since_ms", "first_seen_ms", "last_seen_ms"],
    ...["disk_rule", "restored", "group_name", "is_approved", "note"],
    ...["locked_at_ms", "lock_reason", "lock_by", "lock_until_ms"],
    ...["address", "is_enrolled", "lacks"],
  ],
  host_macs: ["mac", "host_id"],
  host_cards: ["host_id", "mac"],
  host_labels: ["host_id", "label"],
  host_logs: ["host_id", "at_ms", "deploy_id", "log"],
  enrolment: ["id", "secret", "made_at_ms", "until_ms"],
  deploys: [
    "id",
    "image",
    "image_version",
    "to_any",
    "wait_for",
    "max_wait_ms",
    "state",
    "created_at_ms",
    "ended_at_ms",
    "kind",
    "notes",
    "keep_free_blocks",
    "most_disk_bytes",
    "disk_rule",
    "erase",
    ...["grow", "ids", "verify", "afterwards", "alive"],
    ...[
      "start_at_ms",
      "begun_at_ms",
      "halted_at_ms",
      "halt_fault",
      "batch",
      "most_failed",
      "failed_accepted",
      "any_limits",
      "target",
      "retry_of",
      "wakes",
    ],
  ],
  deploy_hosts: [
    ...["deploy_id", "host_id", "state", "attempts", "started_at_ms", "ended_at_ms", "fault"],
    ...["disk_rule", "confirmed", "known", "begun_disk", "is_erased", "scripts_digest"],
    ...["alive_hash", "alive_name", "alive_until_ms", "alive_heard"],
    ...["wave", "released_at_ms", "woken_at_ms"],
  ],
  users: ["name", "role", "password_hash", "link_hash", "created_at_ms"],
  repeats: ["key", "actor", "fingerprint", "at_ms", "status", "body", "is_changed"],
  schedules: [
    ...[
      "name",
      "cron",
      "time_zone",
      "window_ms",
      "wakes",
      "wake_before_ms",
      "quiet_hours",
      "missed",
      "skips_used",
      "request",
    ],
    ...["is_paused", "handled_until_ms", "made_by", "created_at_ms"],
  ],
  schedule_runs: [
    ...["schedule", "due_at_ms", "opened_at_ms", "ends_at_ms", "state", "deploy_id", "left_out", "is_closed"],
    ...["why", "ended_at_ms", "members"],
  ],
  notify_targets: [
    ...["name", "kind", "address", "secret", "topics", "is_paused", "failures", "next_try_ms", "dropped"],
    ...["told_at_ms", "fault", "made_by", "created_at_ms"],
  ],
  notify_queue: ["target", "event_id", "topic", "at_ms", "refusals"],
  logins: ["hash", "user_name", "created_at_ms", "used_at_ms"],
  tokens: ["name", "hash", "role", "made_by", "created_at_ms", "expires_at_ms", "used_at_ms"],
  scripts: ["owner_kind", "owner", "name", "text", "most_seconds"],
  deploy_streams: [
    ...["deploy_id", "group_address", "interface_address", "stream_id"],
    ...["server_id", "network", "traits"],
  ],
  servers: [
    ...["id", "incarnation", "beat", "name", "version", "pid", "site_key", "addresses"],
    ...["is_leading", "has_ended", "started_at_ms", "seen_at_ms"],
  ],
  leases: ["address", "mac", "state", "until_ms"],
  host_boot: [
    ...["host_id", "secure_boot", "loader", "net_boot_image", "net_boot_until_ms", "address"],
    ...["tftp_block_bytes", "tftp_window_blocks", "tftp_wraps_to"],
  ],
};

test("an empty file gets the tables of the schema, in WAL mode; opening again changes nothing", async () => {
  const path = join(directory, "fresh.db");
  for (const round of [1, 2]) {
    const db = await openDatabase(path);
    await db.destroy();
    const sqlite = new DatabaseSync(path);
    for (const [table, columns] of Object.entries(tables)) {
      const found = sqlite
        .prepare(`pragma table_info(${table})`)
        .all()
        .map(({ name }) => String(name));
      assert.deepEqual(found.toSorted(), columns.toSorted(), `${table}, round ${round}`);
    }
    assert.equal(sqlite.prepare("pragma journal_mode").get()?.["journal_mode"], "wal");
    sqlite.close();
  }
});

test("the file and those beside it are for their owner only, an older one too", async () => {
  const path = join(directory, "private.db");
  for (const modeLeft of [0o644, 0o600]) {
    const db = await openDatabase(path);
    await new EventLog(db, () => 1).change(({ record }) => record({ kind: "tried" }));
    for (const file of [path, `${path}-wal`, `${path}-shm`]) assert.equal(statSync(file).mode & 0o777, 0o600, file);
    await db.destroy();
    chmodSync(path, modeLeft);
  }
});

test("a damaged file is refused at once, with what to do", async () => {
  const path = join(directory, "damaged.db");
  const db = await openDatabase(path);
  const log = new EventLog(db, () => 1);
  for (let at = 0; at < 50; at += 1) await log.change(({ record }) => record({ kind: "x".repeat(500) }));
  await db.destroy();
  const bytes = readFileSync(path);
  bytes.fill(0x5a, bytes.length - 8192);
  writeFileSync(path, bytes);
  await assert.rejects(openDatabase(path), { code: "DATABASE_UNREADABLE", fix: /backup/ });
});

test("a database of a newer bootcast is refused, and not changed", async () => {
  const path = join(directory, "newer.db");
  await (await openDatabase(path)).destroy();
  const sqlite = new DatabaseSync(path);
  sqlite.exec("insert into kysely_migration values ('9999-from-the-future', '2030-01-01T00:00:00.000Z')");
  sqlite.close();
  await assert.rejects(openDatabase(path), { code: "DATABASE_NEWER" });
});

test("a file that is no database is refused with its path", async () => {
  const path = join(directory, "text.db");
  writeFileSync(path, "this is not a database, and long enough to be looked at as one".repeat(40));
  await assert.rejects(openDatabase(path), (error: Error & { code: string }) => {
    return error.code === "DATABASE_UNREADABLE" && error.message.includes(path);
  });
  await assert.rejects(openDatabase(join(directory, "absent", "x.db")), { code: "DATABASE_UNREADABLE" });
});

test("a statement is prepared once, and sees the columns that a table got since", async (t) => {
  const db = await openDatabase(":memory:");
  const prepared = t.mock.method(DatabaseSync.prototype, "prepare");
  const read = (id: number) => sql`select * from tried where id = ${id}`.execute(db).then(({ rows }) => rows);
  await sql`create table tried (id integer, name text)`.execute(db);
  await sql`insert into tried values (1, 'one'), (2, 'two')`.execute(db);
  const before = prepared.mock.callCount();
  for (const _ of [1, 2, 3]) {
    assert.deepEqual((await read(1)).map(plain), [{ id: 1, name: "one" }]);
    assert.deepEqual((await read(2)).map(plain), [{ id: 2, name: "two" }]);
  }
  assert.equal(prepared.mock.callCount(), before + 1);
  await sql`alter table tried add column more integer default 7`.execute(db);
  assert.deepEqual((await read(2)).map(plain), [{ id: 2, name: "two", more: 7 }]);
  await assert.rejects(sql`insert into tried (absent) values (1)`.execute(db));
  for (let at = 0; at < 300; at += 1) await sql.raw(`select ${at} as at`).execute(db);
  assert.deepEqual((await read(1)).map(plain), [{ id: 1, name: "one", more: 7 }]);
  await db.destroy();
});

/** SQLite's rows have no prototype. */
function plain(row: unknown): object {
  return { ...(row as object) };
}
