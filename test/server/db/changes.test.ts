import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { sql } from "kysely";
import { actingAs } from "../../../server/access/actor.ts";
import { databaseLeases } from "../../../server/db/leases.ts";
import { EventLog } from "../../../server/events.ts";
import { testDatabase } from "../databases.ts";

test("a change and its events are written together, or not at all", async () => {
  const db = await testDatabase();
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
  const db = await testDatabase();
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

test("of changes that are written together each is whole or not there, and events are told in the order of their ids", async () => {
  const db = await testDatabase();
  const events = new EventLog(db, () => 0);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("keeps", "throws", "refused by a table"), { maxLength: 12 }),
      async (all) => {
        const before = (await events.list()).at(-1)?.id ?? 0;
        const heard: number[] = [];
        const stop = events.subscribe(({ id }) => heard.push(id));
        const lease = (number: number) => ({ address: `${before}.${number}`, mac: "m", state: "bound", until_ms: 0 });
        const ends = await Promise.allSettled(
          all.map((how, number) =>
            events.change(async ({ tables, record }) => {
              await record({ kind: "test.done", data: { number } });
              await tables.insertInto("leases").values(lease(number)).execute();
              if (how === "refused by a table") await tables.insertInto("leases").values(lease(number)).execute();
              if (how === "throws") throw new Error("it throws");
              return number;
            }),
          ),
        );
        stop();
        const kept = all.flatMap((how, number) => (how === "keeps" ? [number] : []));
        const answered = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
        const stored = await events.list({ after: before });
        const leases = await db
          .selectFrom("leases")
          .select("address")
          .where("address", "like", `${before}.%`)
          .execute();
        assert.deepEqual(answered, kept);
        assert.deepEqual(
          stored.map(({ data }) => data["number"]),
          kept,
        );
        assert.deepEqual(
          heard,
          stored.map(({ id }) => id),
        );
        assert.deepEqual(leases.map(({ address }) => address).sort(), kept.map((at) => lease(at).address).sort());
      },
    ),
  );
  await db.destroy();
});

test("a change belongs to who asked for it, also when it is written with those of others", async () => {
  const db = await testDatabase();
  const events = new EventLog(db, () => 0);
  const names = ["anna", "ben", "cleo"];
  await Promise.all(
    names.map((name) => actingAs({ name }, () => events.change(({ record }) => record({ kind: name })))),
  );
  await events.change(({ record }) => record({ kind: "the server" }));
  assert.deepEqual(
    (await events.list()).map(({ kind, actor }) => [kind, actor]),
    [...names.map((name) => [name, name]), ["the server", null]],
  );
  await db.destroy();
});

test("when what was written together cannot be kept, none of it was done", async () => {
  const db = await testDatabase();
  const events = new EventLog(db, () => 0);
  const changes = [1, 2, 3].map((number) =>
    events.change(async ({ tables, record }) => {
      await record({ kind: "test.done", data: { number } });
      // Ends the whole transaction behind everybody's back, as a full disk does.
      if (number === 2) await sql`rollback`.execute(tables);
    }),
  );
  const ends = await Promise.allSettled(changes);
  assert.deepEqual(
    ends.map(({ status }) => status),
    ["rejected", "rejected", "rejected"],
  );
  assert.deepEqual(await events.list(), []);
  await events.change(({ record }) => record({ kind: "test.later" }));
  assert.equal((await events.list()).length, 1);
  await db.destroy();
});

test("the database itself allows a host only one open order", async () => {
  const db = await testDatabase();
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
    /unique/i,
  );
  await assert.rejects(db.updateTable("deploy_hosts").set({ state: "odd" }).execute(), /check/i);
  await db.destroy();
});

test("leases survive, one row an address", async () => {
  const db = await testDatabase();
  const leases = databaseLeases(db);
  await leases.save({ address: "10.0.0.9", mac: "52:54:00:00:00:01", state: "bound", untilMs: 5.5 });
  await leases.save({ address: "10.0.0.9", mac: "52:54:00:00:00:02", state: "released", untilMs: 7 });
  assert.deepEqual(await leases.load(), [
    { address: "10.0.0.9", mac: "52:54:00:00:00:02", state: "released", untilMs: 7 },
  ]);
  await db.destroy();
});

test("leases that are saved together are written together, the last word for each address", async () => {
  const db = await testDatabase();
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
