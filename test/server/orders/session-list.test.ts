import assert from "node:assert/strict";
import { test } from "node:test";
import { Core, machine, NETWORK } from "../core.ts";

test("a list says how many hosts are where, as the sessions themselves do, and names none of them", async () => {
  const core = await Core.open();
  assert.deepEqual(await core.sessions.list(), []);
  const ids: string[] = [];
  for (const number of [1, 2, 3, 4]) ids.push((await core.hosts.register(machine(number))).hostId);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ids });
  for (const id of ids.slice(0, 3)) {
    await core.orders.orderFor(id, NETWORK);
    for (const state of ["preflight", "erasing", "receiving"] as const) await core.report(id, state, deployId);
  }
  core.nowMs += 5000;
  await core.report(ids[0]!, "receiving", deployId, { percent: 10 });
  await core.report(ids[1]!, "receiving", deployId, { percent: 50 });
  await core.report(ids[2]!, "failed", deployId);
  const [listed, ...others] = await core.sessions.list();
  assert(listed !== undefined && others.length === 0);
  assert.deepEqual(listed.counts, { all: 4, pending: 1, running: 2, done: 0, failed: 1, cancelled: 0 });
  assert.deepEqual(listed.atWork, [{ state: "receiving", hosts: 2, percent: 30 }]);
  assert.equal(listed.leftMs, 45_000);
  assert.equal("hosts" in listed, false);
  const { hosts, streams: _, ...head } = await core.sessions.show(deployId);
  const { counts: _counts, atWork: _atWork, from, streams, ...same } = listed;
  assert.deepEqual([same, from], [head, null]);
  assert.deepEqual(
    hosts.map(({ order, percent }) => [order, percent]),
    [
      ["running", 10],
      ["running", 50],
      ["failed", null],
      ["pending", null],
    ],
  );
  assert.deepEqual(Object.keys(streams[0]!).includes("figures"), false);
  const second = await core.deploys.create({ image: "lab-debian", to: [ids[2]!] });
  assert.deepEqual(
    (await core.sessions.list({ before: second.deployId })).map(({ id }) => id),
    [deployId],
  );
  await core.db.destroy();
});

test("long words of an agent are kept short, and not refused", async () => {
  const core = await Core.open();
  const { hostId } = await core.hosts.register(machine(1));
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [hostId] });
  const long = "x".repeat(200_000);
  const fault = { code: long, what: long, why: "short", fix: long };
  const timings = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`state-${at}`, at]));
  const said = { detail: long, fault, timings: { ...timings, receiving: 7 } };
  assert.equal((await core.report(hostId, "failed", deployId, said)).proceed, true);
  const { detail, fault: kept } = await core.hosts.find(hostId);
  assert.deepEqual([detail.length, kept?.code.length, kept?.what.length, kept?.why], [1000, 100, 4000, "short"]);
  assert(JSON.stringify(await core.events.list()).length < 20_000);
  await core.db.destroy();
});
