import assert from "node:assert/strict";
import { test } from "node:test";
import { machine, NETWORK } from "../core.ts";
import { HOUR_MS, room, work } from "./rollout-room.ts";

test("any, limited: only that model, only from that network, only so many, only until then", async () => {
  const { core } = await room(0);
  const limits = { model: "iMac*", network: "10.1.0.0/16", most: 2, untilMs: core.nowMs + HOUR_MS };
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: "any", limits });
  const ask = async (number: number, model: string, address: string) => {
    const { hostId } = await core.hosts.register(machine(number, { model }));
    const { kind } = await core.orders.orderFor(hostId, NETWORK, address);
    return { hostId, kind, next: (await core.orders.bootPolicyOf(machine(number).mac)).boot };
  };
  assert.deepEqual((await ask(1, "MacPro5,1", "10.1.0.9")).kind, "wait");
  const elsewhere = await ask(2, "iMac12,1", "10.2.0.9");
  assert.deepEqual([elsewhere.kind, elsewhere.next], ["wait", "disk"]);
  const first = await ask(3, "imac12,1", "10.1.255.9");
  assert.deepEqual([first.kind, first.next], ["deploy", "agent"]);
  assert.equal((await ask(4, "iMac12,1", "10.1.0.1")).kind, "deploy");
  assert.equal((await ask(5, "iMac12,1", "10.1.0.2")).kind, "wait", "there were two");
  await core.conductor.look();
  assert.equal((await core.sessions.show(deployId)).state, "active");
  for (const { id } of (await core.sessions.show(deployId)).hosts) {
    for (const state of [...work, "done"] as const) await core.report(id, state, deployId);
  }
  await core.conductor.look();
  assert.equal((await core.sessions.show(deployId)).state, "done", "it takes nobody else, and all are through");
});

test("any, until a time: who comes later is left alone, and the order ends by itself", async () => {
  const { core, ids } = await room(2);
  const untilMs = core.nowMs + HOUR_MS;
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: "any", limits: { untilMs } });
  assert.equal(await core.conductor.look(), untilMs);
  assert.equal((await core.orders.orderFor(ids[0]!, NETWORK)).kind, "deploy");
  core.nowMs = untilMs;
  assert.deepEqual(await core.orders.bootPolicyOf(machine(2).mac), { boot: "disk" });
  assert.notEqual((await core.orders.orderFor(ids[1]!, NETWORK)).kind, "deploy");
  await core.conductor.look();
  assert.equal((await core.sessions.show(deployId)).state, "active", "the one that it has taken is at work");
  for (const state of [...work, "done"] as const) await core.report(ids[0]!, state, deployId);
  await core.conductor.look();
  assert.equal((await core.sessions.show(deployId)).state, "done");
});

test("any, until a time: who came before it is deployed to the end, however often its power is cut behind it", async () => {
  const { core, ids } = await room(3);
  const untilMs = core.nowMs + HOUR_MS;
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: "any", limits: { untilMs } });
  const kind = async (at: number) => (await core.orders.orderFor(ids[at]!, NETWORK)).kind;
  assert.deepEqual([await kind(0), await kind(1)], ["deploy", "deploy"]);
  await core.report(ids[0]!, "preflight", deployId);
  await core.report(ids[0]!, "erasing", deployId, { challenge: "ab" });
  core.nowMs = untilMs + HOUR_MS;
  await core.conductor.look();
  // One was erased, the other had only just begun; both are switched on again.
  for (const at of [0, 1]) {
    assert.deepEqual(await core.orders.bootPolicyOf(machine(at + 1).mac), { boot: "agent" });
    const { hostId } = await core.hosts.register(machine(at + 1));
    assert.deepEqual([hostId, await kind(at)], [ids[at], "deploy"]);
    for (const state of work) assert.equal((await core.report(ids[at]!, state, deployId)).proceed, true, state);
    await core.report(ids[at]!, "done", deployId);
  }
  assert.deepEqual(await core.orders.bootPolicyOf(machine(3).mac), { boot: "disk" });
  assert.notEqual(await kind(2), "deploy");
  await core.conductor.look();
  assert.equal((await core.sessions.show(deployId)).state, "done");
});

test("any, from a time on", async () => {
  const { core, ids } = await room(1);
  const startAtMs = core.nowMs + HOUR_MS;
  await core.deploys.create({ image: "lab-debian", to: "any", startAtMs });
  assert.equal((await core.orders.orderFor(ids[0]!, NETWORK)).kind, "wait");
  core.nowMs = startAtMs;
  await core.conductor.look();
  assert.equal((await core.orders.orderFor(ids[0]!, NETWORK)).kind, "deploy");
});

test("two orders to any stand side by side where both say which hosts they mean; the older takes who is of both", async () => {
  const { core } = await room(0);
  const create = (limits: object) => core.deploys.create({ image: "lab-debian", to: "any", limits });
  const macs = await create({ model: "iMac*" });
  const wide = await create({ network: "10.0.0.0/8" });
  await assert.rejects(create({}), { code: "DEPLOY_EXISTS" });
  await assert.rejects(create({ most: 5 }), { code: "DEPLOY_EXISTS" });
  for (const [number, model, deployId] of [
    [1, "iMac12,1", macs.deployId],
    [2, "OptiPlex", wide.deployId],
  ] as const) {
    const { hostId } = await core.hosts.register(machine(number, { model }));
    const order = await core.orders.orderFor(hostId, NETWORK, "10.0.0.7");
    assert(order.kind === "deploy");
    assert.equal(order.deployId, String(deployId));
    for (const state of [...work, "done"] as const) await core.report(hostId, state, deployId);
    assert.notEqual((await core.orders.orderFor(hostId, NETWORK, "10.0.0.7")).kind, "deploy", "each machine once");
  }
});
