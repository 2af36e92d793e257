import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { backupDatabase } from "../../../server/db/backup.ts";
import { openDatabase } from "../../../server/db/database.ts";
import { Core, machine } from "../core.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-backup-"));
after(() => rmSync(directory, { recursive: true }));
const now = () => 9_000_000;

test("a copy is made while the server writes: it is whole, private, and gives no order", async () => {
  const path = join(directory, "bootcast.db");
  const db = await openDatabase(path);
  const core = new Core(db);
  for (const number of [1, 2, 3]) await core.hosts.register(machine(number));
  const ended = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  await core.deploys.cancel(ended.deployId);
  const standing = await core.deploys.create({ image: "lab-debian", to: ["lab-02"] });
  const any = await core.deploys.create({ image: "lab-debian", to: "any" });
  const message = { target: "hook", event_id: 1, topic: "done", at_ms: 1, refusals: 0 };
  await db.insertInto("notify_queue").values(message).execute();
  const schedule = { name: "nightly", cron: "0 3 * * *", time_zone: "UTC", window_ms: 1, wakes: 1, wake_before_ms: 0 };
  const order = { quiet_hours: "[]", missed: "run", skips_used: 0, request: "{}", is_paused: 0, handled_until_ms: 1 };
  await db
    .insertInto("schedules")
    .values({ ...schedule, ...order, made_by: "mueller", created_at_ms: 1 })
    .execute();
  const opening = { schedule: "nightly", due_at_ms: 1, opened_at_ms: 1, ends_at_ms: 1e12, state: "opening" };
  await db
    .insertInto("schedule_runs")
    .values({ ...opening, deploy_id: null, left_out: "[]", is_closed: 0, why: "", ended_at_ms: null })
    .execute();
  // Some of these come before the copy and some behind it; each is in it as a whole or not at all.
  let written = 0;
  const writing = Promise.all(
    Array.from({ length: 200 }, async (_, number) => {
      await core.events.change(async ({ record }) => {
        await record({ kind: "one", data: { number } });
        await record({ kind: "two", data: { number } });
      });
      written += 1;
    }),
  );
  const file = join(directory, "copy.db");
  const made = await backupDatabase(path, file, now);
  await writing;
  assert.equal(written, 200);
  assert.deepEqual(made, {
    file,
    sizeBytes: statSync(file).size,
    stoppedSessions: [standing.deployId, any.deployId],
  });
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal((await core.orders.bootPolicyOf(machine(2).mac)).boot, "agent", "here it stands");

  const put = new Core(await openDatabase(file));
  const events = await put.events.list({ limit: 5000 });
  const count = (kind: string) => events.filter((event) => event.kind === kind).length;
  assert.equal(count("one"), count("two"));
  assert.equal(count("host.registered"), 3);
  for (const number of [1, 2, 3]) {
    assert.deepEqual(await put.orders.bootPolicyOf(machine(number).mac), { boot: "disk" });
  }
  const [last] = (await put.events.list({ deployId: any.deployId })).slice(-1);
  assert.deepEqual([last?.kind, last?.data, last?.atMs], ["deploy.cancelled", { why: "backup" }, 9_000_000]);
  assert.equal((await put.sessions.show(standing.deployId)).hosts[0]?.order, "cancelled");
  assert.equal((await put.db.selectFrom("schedule_runs").select("state").executeTakeFirst())?.state, "failed");
  assert.deepEqual(await put.db.selectFrom("notify_queue").selectAll().execute(), []);
  assert.equal((await db.selectFrom("notify_queue").selectAll().execute()).length, 1);
  await put.db.destroy();
  await db.destroy();
  const left = readdirSync(directory).filter((name) => !["bootcast.db", "copy.db"].includes(name));
  assert.deepEqual(left, [], "nothing else is left there");
});

test("what is there already is never replaced, and nothing is left of what fails", async () => {
  const path = join(directory, "other.db");
  await assert.rejects(backupDatabase(path, join(directory, "x.db"), now), { code: "DATABASE_ABSENT" });
  await (await openDatabase(path)).destroy();
  const there = join(directory, "there.db");
  writeFileSync(there, "an earlier backup");
  await assert.rejects(backupDatabase(path, there, now), { code: "FILE_EXISTS" });
  assert.equal(statSync(there).size, 17);
  await assert.rejects(backupDatabase(path, join(directory, "absent", "x.db"), now), { code: "ENOENT" });
  writeFileSync(path, "this is no database, and long enough to be looked at as one".repeat(100));
  chmodSync(path, 0o600);
  await assert.rejects(backupDatabase(path, join(directory, "y.db"), now));
  assert.equal(existsSync(join(directory, "y.db")), false);
  assert.deepEqual(
    readdirSync(directory).filter((name) => name.startsWith(".")),
    [],
  );
});
