import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { openDatabase } from "../../server/db/database.ts";
import { databaseLeases } from "../../server/db/leases.ts";
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
  ],
  host_macs: ["mac", "host_id"],
  host_labels: ["host_id", "label"],
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
  ],
  deploy_hosts: [
    ...["deploy_id", "host_id", "state", "attempts", "started_at_ms", "ended_at_ms", "fault"],
    ...["disk_rule", "confirmed", "known", "begun_disk", "is_erased", "scripts_digest"],
    ...["alive_hash", "alive_name", "alive_until_ms", "alive_heard"],
  ],
  users: ["name", "role", "password_hash", "link_hash", "created_at_ms"],
  repeats: ["key", "actor", "fingerprint", "at_ms", "status", "body", "is_changed"],
  logins: ["hash", "user_name", "created_at_ms", "used_at_ms"],
  tokens: ["name", "hash", "role", "made_by", "created_at_ms", "expires_at_ms", "used_at_ms"],
  scripts: ["owner_kind", "owner", "name", "text", "most_seconds"],
  deploy_streams: ["deploy_id", "group_address", "interface_address", "stream_id"],
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

test("a change and its events are written together, or not at all", async () => {
  const db = await openDatabase(":memory:");
  const events = new EventLog(db, () => 42);
  const heard: string[] = [];
  const stop = events.subscribe(({ kind }) => heard.push(kind));
  const lease = { address: "10.0.0.9", mac: "52:54:00:00:00:01", state: "bound", until_ms: 1 };
  await assert.rejects(
    events.change(async ({ tables, record }) => {
      await tables.insertInto("leases").values(lease).execute();
      await record({ kind: "test.undone" });
      throw new Error("after both");
    }),
    /after both/,
  );
  assert.deepEqual(await events.list(), []);
  assert.deepEqual(await db.selectFrom("leases").selectAll().execute(), []);
  assert.deepEqual(heard, [], "nobody hears of what was undone");
  await events.change(({ record }) => record({ kind: "test.done", hostId: "h-1", deployId: 3, data: { a: 1 } }));
  assert.deepEqual(heard, ["test.done"]);
  stop();
  await events.change(({ record }) => record({ kind: "test.later" }));
  assert.deepEqual(heard, ["test.done"]);
  const [first, second] = await events.list();
  assert.deepEqual(first, {
    id: first?.id,
    atMs: 42,
    kind: "test.done",
    hostId: "h-1",
    deployId: 3,
    data: { a: 1 },
    actor: null,
  });
  assert.deepEqual(await events.list({ after: first!.id }), [second]);
  assert.deepEqual(await events.list({ deployId: 3 }), [first]);
  assert.deepEqual(await events.list({ limit: 1 }), [first]);
  await db.destroy();
});

test("changes at the same moment wait for each other", async () => {
  const db = await openDatabase(":memory:");
  const events = new EventLog(db, () => 0);
  await Promise.all(
    Array.from({ length: 20 }, (_, number) =>
      events.change(async ({ record }) => {
        await record({ kind: "begin", data: { number } });
        await record({ kind: "end", data: { number } });
      }),
    ),
  );
  const all = await events.list();
  assert.equal(all.length, 40);
  for (let at = 0; at < all.length; at += 2) assert.deepEqual(all[at]?.data, all[at + 1]?.data, "not mixed");
  await db.destroy();
});

test("the database itself allows a host only one open order", async () => {
  const db = await openDatabase(":memory:");
  const host = {
    ...{ id: "h", name: "n", mac: "m", uuid: "", serial: "", vendor: "", model: "", inventory: "{}", token_hash: "" },
    ...{ state: "waiting", state_since_ms: 0, detail: "", percent: null, fault: null },
    ...{ waiting_since_ms: 0, first_seen_ms: 0, last_seen_ms: 0 },
  };
  await db.insertInto("hosts").values(host).execute();
  const deploy = {
    image: "i",
    image_version: 1,
    to_any: 0,
    wait_for: 1,
    max_wait_ms: 0,
    state: "active",
    created_at_ms: 0,
  };
  await db
    .insertInto("deploys")
    .values([
      { ...deploy, ended_at_ms: null },
      { ...deploy, ended_at_ms: null },
    ])
    .execute();
  const row = { host_id: "h", attempts: 0, started_at_ms: null, ended_at_ms: null, fault: null };
  await db
    .insertInto("deploy_hosts")
    .values({ ...row, deploy_id: 1, state: "pending" })
    .execute();
  await assert.rejects(
    db
      .insertInto("deploy_hosts")
      .values({ ...row, deploy_id: 2, state: "running" })
      .execute(),
    /UNIQUE/,
  );
  await assert.rejects(db.updateTable("deploy_hosts").set({ state: "odd" }).execute(), /CHECK/);
  await db.destroy();
});

test("leases survive, one row an address", async () => {
  const db = await openDatabase(":memory:");
  const leases = databaseLeases(db);
  await leases.save({ address: "10.0.0.9", mac: "52:54:00:00:00:01", state: "bound", untilMs: 5.5 });
  await leases.save({ address: "10.0.0.9", mac: "52:54:00:00:00:02", state: "released", untilMs: 7 });
  assert.deepEqual(await leases.load(), [
    { address: "10.0.0.9", mac: "52:54:00:00:00:02", state: "released", untilMs: 7 },
  ]);
  await db.destroy();
});

test("leases that are saved together are written together, the last word for each address", async () => {
  const db = await openDatabase(":memory:");
  const leases = databaseLeases(db);
  const lease = (number: number, state: "bound" | "released") =>
    ({ address: `10.0.${number >> 8}.${number & 255}`, mac: "52:54:00:00:00:01", state, untilMs: number }) as const;
  const saves = Array.from({ length: 2_500 }, (_, number) => leases.save(lease(number, "bound")));
  void leases.save(lease(7, "released"));
  assert.equal(new Set(saves).size, 1);
  await leases.settled();
  const stored = await leases.load();
  assert.equal(stored.length, 2_500);
  assert.equal(stored.find(({ untilMs }) => untilMs === 7)?.state, "released");
  await leases.remove(stored.slice(0, 1_500).map(({ address }) => address));
  assert.equal((await leases.load()).length, 1_000);
  await db.destroy();
  await assert.rejects(leases.save(lease(1, "bound")), "who saves hears of a failure");
  await leases.settled();
});
