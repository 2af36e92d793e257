import assert from "node:assert/strict";
import { test } from "node:test";
import { EventLog, type StoredEvent } from "../../../server/events.ts";
import { EventFollower } from "../../../server/leases/event-follower.ts";
import { testDatabase } from "../databases.ts";

test("two servers hear of each other's events, each once and in the order of the ids, and know which are their own", async () => {
  const db = await testDatabase();
  const [one, other] = [new EventLog(db, () => 1), new EventLog(db, () => 2)];
  await other.change(({ record }) => record({ kind: "before" }));
  const catchUp = await one.followOthers();
  await other.followOthers();
  const heard: [number, string, boolean][] = [];
  one.subscribe(({ id, kind }, isOurs) => heard.push([id, kind, isOurs]));
  await Promise.all(
    Array.from({ length: 20 }, async (_, at) => {
      await one.change(({ record }) => record({ kind: `one ${at}` }));
      await other.change(async ({ record }) => {
        await record({ kind: `other ${at}` });
        await record({ kind: `other too ${at}` });
      });
      await one.append([{ kind: `appended ${at}`, atMs: 3 }]);
    }),
  );
  await catchUp();
  const stored = await one.list({ after: 1 });
  assert.deepEqual(
    heard.map(([id]) => id),
    stored.map(({ id }) => id),
  );
  assert.equal(heard.length, 80);
  for (const [, kind, isOurs] of heard) assert.equal(isOurs, !kind.startsWith("other"), kind);
  await db.destroy();
});

test("what a server wrote itself is heard of before its change is over; what was taken back is not heard of", async () => {
  const db = await testDatabase();
  const log = new EventLog(db, () => 1);
  await log.followOthers();
  const heard: string[] = [];
  log.subscribe(({ kind }) => heard.push(kind));
  const taken = log.change(async ({ record }) => {
    await record({ kind: "taken back" });
    throw new Error("no");
  });
  await assert.rejects(taken, /no/);
  await log.change(({ record }) => record({ kind: "kept" }));
  assert.deepEqual(heard, ["kept"]);
  await db.destroy();
});

test("a reading that fails is made up for; one that is asked for while another is under way begins behind it", async () => {
  const event = (id: number): StoredEvent => {
    return { id, atMs: 1, kind: "one", hostId: null, deployId: null, data: {}, actor: null };
  };
  const stored = [event(1)];
  let failures = 1;
  let gate = Promise.resolve();
  const told: number[] = [];
  const follower = new EventFollower({
    afterId: 0,
    async read(after, limit) {
      await gate;
      failures -= 1;
      if (failures >= 0) throw new Error("the database is away");
      return stored.filter(({ id }) => id > after).slice(0, limit);
    },
    tell: ({ id }) => told.push(id),
  });
  await assert.rejects(follower.catchUp(), /away/);
  await follower.catchUp();
  assert.deepEqual(told, [1]);
  const { promise, resolve } = Promise.withResolvers<void>();
  gate = promise;
  const first = follower.catchUp();
  await Promise.resolve();
  stored.push(event(2));
  const second = follower.catchUp();
  resolve();
  await Promise.all([first, second]);
  assert.deepEqual(told, [1, 2]);
});
