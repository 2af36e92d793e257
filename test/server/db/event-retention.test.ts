import assert from "node:assert/strict";
import { test } from "node:test";
import { removeOldEvents } from "../../../server/db/event-retention.ts";
import { Core, machine } from "../core.ts";

const DAY_MS = 86_400_000;

test("old events are removed, but none of a session that goes on, and it is told", async () => {
  const core = await Core.open();
  const { db, events } = core;
  const now = () => core.nowMs;
  const ids: string[] = [];
  for (const number of [1, 2]) ids.push((await core.hosts.register(machine(number))).hostId);
  const over = await core.deploys.create({ image: "lab-debian", to: [ids[0]!] });
  await core.deploys.cancel(over.deployId);
  const active = await core.deploys.create({ image: "lab-debian", to: [ids[1]!] });
  for (let number = 0; number < 2300; number += 1) await events.append([{ atMs: core.nowMs, kind: "tried" }]);
  core.nowMs += 30 * DAY_MS;
  await events.change(({ record }) => record({ kind: "new" }));
  assert.equal(await removeOldEvents({ db, events, keepDays: 0, now }), 0);
  assert.equal(await removeOldEvents({ db, events, keepDays: 31, now }), 0);
  const before = await events.list({ limit: 10_000 });
  const removed = await removeOldEvents({ db, events, keepDays: 30, now });
  assert.equal(removed, 0, "to the millisecond as old is not older");
  core.nowMs += 1;
  const kept = before.filter(({ kind, deployId }) => kind === "new" || deployId === active.deployId);
  assert.equal(await removeOldEvents({ db, events, keepDays: 30, now }), before.length - kept.length);
  const left = await events.list({ limit: 10_000 });
  assert.deepEqual(left.slice(0, -1), kept);
  const { kind, data } = left.at(-1)!;
  assert.deepEqual([kind, data["events"]], ["events.removed", before.length - kept.length]);
  assert.equal(await removeOldEvents({ db, events, keepDays: 30, now }), 0);
  await db.destroy();
});
