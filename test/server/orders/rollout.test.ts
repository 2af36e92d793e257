import assert from "node:assert/strict";
import { test } from "node:test";
import { CONTRACT_VERSION } from "../../../agent/contract.ts";
import { Fault } from "../../../fault.ts";
import { DEFAULT_ALIVE_MS } from "../../../server/orders/alive-rules.ts";
import { MOST_LATE_MS, WAVE_WAIT_MS } from "../../../server/orders/rollout-rules.ts";
import { machine, NETWORK } from "../core.ts";
import { HOUR_MS, room } from "./rollout-room.ts";

test("the canary goes alone; the others begin when it is up again under its name", async () => {
  const { core, order, begun, restore, kinds } = await room(5);
  const deployId = await order({ waves: { canary: ["lab-03"], batch: 2 } });
  assert.equal(await begun(), "3");
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "agent" }, "who is switched on waits");
  const waiting = await core.orders.orderFor((await core.hosts.find("lab-01")).id, NETWORK);
  assert.match(waiting.reason, /is at other hosts first/);
  const up = await restore("lab-03", deployId, "silent");
  await assert.rejects(core.hosts.forget("lab-03"), { code: "HOST_BUSY" }, "the others wait for it");
  await core.conductor.look();
  assert.equal(await begun(), "", "restored is not up");
  assert.equal((await core.sessions.show(deployId)).hosts[0]?.heldBy, "others go first");
  core.nowMs += DEFAULT_ALIVE_MS / 2;
  const again = await core.orders.orderFor((await core.hosts.find("lab-01")).id, NETWORK);
  assert.equal(again.kind, "wait", "who waits for the canary waits for as long as it takes");
  await up?.();
  await core.conductor.look();
  assert.equal(await begun(), "1 2");
  assert.equal(core.opened.at(-1)?.waitFor, 2, "the stream of a wave waits for the hosts of that wave");
  await restore("lab-01", deployId);
  await core.conductor.look();
  assert.equal(await begun(), "2", "the rest of the batch is at work");
  await restore("lab-02", deployId);
  await core.conductor.look();
  assert.equal(await begun(), "4 5");
  for (const name of ["lab-04", "lab-05"]) await restore(name, deployId);
  assert.equal((await core.sessions.show(deployId)).state, "done");
  assert.deepEqual(await kinds(deployId), [
    "deploy.created",
    "deploy.wave",
    "deploy.wave",
    "deploy.wave",
    "deploy.ended",
  ]);
});

test("a canary that fails stops the order: nobody else is erased until a person goes on", async () => {
  const { core, order, begun, restore, kinds, idOf } = await room(4);
  const deployId = await order({ waves: { canary: 1 } });
  const canary = (await core.sessions.show(deployId)).hosts.find(({ wave }) => wave === 0)?.name ?? "";
  await restore(canary, deployId, "failed");
  await core.conductor.look();
  await core.conductor.look();
  const session = await core.sessions.show(deployId);
  assert.deepEqual([session.state, session.halted?.code], ["active", "CANARY_FAILED"]);
  assert.equal(await begun(), "");
  const other = session.hosts.find(({ wave }) => wave === 1)!;
  assert.match((await core.orders.orderFor(other.id, NETWORK)).reason, /has stopped before this host/);
  assert.deepEqual(await core.orders.bootPolicyOf((await core.hosts.find(other.name)).mac), { boot: "disk" });
  assert.equal((await core.report(idOf(other.name), "erasing", deployId, { challenge: "x" })).proceed, false);
  await core.conductor.start(deployId);
  assert.equal((await begun()).split(" ").length, 3);
  assert.equal((await core.sessions.show(deployId)).halted, null);
  assert.deepEqual(await kinds(deployId), [
    "deploy.created",
    "deploy.wave",
    "deploy.halted",
    "deploy.resumed",
    "deploy.wave",
  ]);
  await assert.rejects(
    core.deploys.create({ image: "lab-debian", to: [other.name] }),
    { code: "HOST_BUSY" },
    "it is still that order's",
  );
});

test("a canary that comes up under another name, or not at all, has failed", async () => {
  for (const said of ["image-master", undefined]) {
    const { core, order, restore, begun, idOf } = await room(2);
    const deployId = await order({ waves: { canary: ["lab-01"] } });
    const given = await core.orders.orderFor(idOf("lab-01"), NETWORK);
    assert(given.kind === "deploy");
    await restore("lab-01", deployId, "silent");
    if (said !== undefined) await core.alive.heard(idOf("lab-01"), given.alive?.token ?? "", said);
    await core.conductor.look();
    assert.equal((await core.sessions.show(deployId)).halted, null, "it has a while");
    core.nowMs += DEFAULT_ALIVE_MS;
    await core.alive.endLate();
    await core.conductor.look();
    assert.equal((await core.sessions.show(deployId)).halted?.code, "CANARY_FAILED");
    assert.equal(await begun(), "");
  }
});

test("a canary that never comes keeps nobody from work: machines wait for it for a while, and then start their disks", async () => {
  const { core, order, restore, begun, idOf } = await room(3);
  const deployId = await order({ waves: { canary: ["lab-01"] } });
  core.nowMs += HOUR_MS / 2 - 1;
  assert.deepEqual(await core.orders.bootPolicyOf(machine(2).mac), { boot: "agent" });
  core.nowMs += 1;
  assert.deepEqual(await core.orders.bootPolicyOf(machine(2).mac), { boot: "disk" });
  const sent = await core.orders.orderFor(idOf("lab-02"), NETWORK);
  assert.equal(sent.kind, "boot-disk");
  await core.report(idOf("lab-01"), "preflight", deployId);
  await core.hosts.register(machine(2, { contract: CONTRACT_VERSION }));
  assert.deepEqual(await core.orders.bootPolicyOf(machine(2).mac), { boot: "agent" }, "it is at work at last");
  await restore("lab-01", deployId);
  await core.conductor.look();
  assert.equal(await begun(), "2 3");
});

test("too many failures call back who has erased nothing yet; who is at work goes on", async () => {
  const { core, order, begun, restore, idOf } = await room(6);
  const deployId = await order({ waves: { batch: 4, mostFailed: 1 } });
  assert.equal(await begun(), "1 2 3 4");
  await core.report(idOf("lab-03"), "preflight", deployId);
  await core.report(idOf("lab-03"), "erasing", deployId, { challenge: "c" });
  await core.report(idOf("lab-04"), "preflight", deployId);
  await restore("lab-01", deployId, "failed");
  await core.conductor.look();
  assert.equal((await core.sessions.show(deployId)).halted, null, "one may");
  await restore("lab-02", deployId, "failed");
  await core.conductor.look();
  assert.equal((await core.sessions.show(deployId)).halted?.code, "TOO_MANY_FAILED");
  const permit = await core.report(idOf("lab-04"), "erasing", deployId, { challenge: "c" });
  assert.deepEqual([permit.proceed, permit.permit], [false, undefined]);
  assert.equal((await core.report(idOf("lab-03"), "receiving", deployId)).proceed, true);
  assert.equal(await begun(), "3");
  await core.conductor.start(deployId);
  assert.equal(await begun(), "3 4", "first who was called back, then the next wave");
});

test("a host that is switched off does not hold back the next wave for ever", async () => {
  const { core, order, begun, restore } = await room(3);
  const deployId = await order({ waves: { batch: 2 } });
  await restore("lab-01", deployId, "silent");
  await core.alive.endLate();
  assert.equal(await core.conductor.look(), core.nowMs + WAVE_WAIT_MS);
  core.nowMs += WAVE_WAIT_MS;
  assert.equal(await core.conductor.look(), null);
  assert.equal(await begun(), "2 3", "and it is served when it comes after all");
});

test("an order for a time: nothing before it, everything at it, and machines wait for it only shortly before", async () => {
  const { core, order, begun, kinds } = await room(2);
  const startAtMs = core.nowMs + 5 * HOUR_MS;
  const deployId = await order({ startAtMs });
  assert.equal(await core.conductor.look(), startAtMs);
  assert.equal(await begun(), "");
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "disk" }, "its people use it");
  core.nowMs = startAtMs - HOUR_MS / 4;
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "agent" });
  const early = await core.orders.orderFor((await core.hosts.find("lab-01")).id, NETWORK);
  assert.match(early.reason, /begins in 15 minutes/);
  await core.conductor.look();
  assert.equal(await begun(), "");
  core.nowMs = startAtMs;
  assert.equal(await core.conductor.look(), null);
  assert.equal(await begun(), "1 2");
  await core.conductor.look();
  assert.deepEqual(await kinds(deployId), ["deploy.created", "deploy.started", "deploy.wave"]);
});

test("an order whose time came while the server was off is not begun late by itself: people may be at work", async () => {
  const { core, order, begun, kinds } = await room(2);
  const soon = await order({ startAtMs: core.nowMs + HOUR_MS, to: ["lab-01"] });
  const startAtMs = core.nowMs + 2 * HOUR_MS;
  const deployId = await order({ startAtMs, to: ["lab-02"] });
  core.nowMs = startAtMs + MOST_LATE_MS;
  assert.equal(await core.conductor.look(), null);
  assert.equal(await begun(), "2", "a server that was off for an hour");
  assert.equal((await core.sessions.show(soon)).halted?.code, "START_MISSED");
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "disk" }, "its people use it");
  await core.conductor.start(soon);
  assert.equal(await begun(), "1 2", "a person wants it all the same");
  assert.deepEqual(await kinds(soon), [
    "deploy.created",
    "deploy.halted",
    "deploy.resumed",
    "deploy.started",
    "deploy.wave",
  ]);
  assert.deepEqual(await kinds(deployId), ["deploy.created", "deploy.started", "deploy.wave"]);
});

test("an order for a time can be begun before it, or taken back", async () => {
  const { core, order, begun, kinds } = await room(1);
  const first = await order({ startAtMs: core.nowMs + HOUR_MS });
  await core.deploys.cancel(first);
  core.nowMs += HOUR_MS;
  await core.conductor.look();
  assert.equal(await begun(), "");
  const second = await order({ startAtMs: core.nowMs + HOUR_MS });
  await core.conductor.start(second);
  assert.equal(await begun(), "1");
  assert.deepEqual(await kinds(second), ["deploy.created", "deploy.started", "deploy.wave"]);
  await assert.rejects(core.conductor.start(first), { code: "DEPLOY_ENDED" });
  await assert.rejects(core.conductor.start(99), { code: "DEPLOY_UNKNOWN" });
});

test("start: a stream that waits for more hosts goes with those that are there; one that does not is no reason", async () => {
  const { core, order, begun, kinds } = await room(2);
  const deployId = await order({});
  await assert.rejects(core.conductor.start(deployId), { code: "DEPLOY_RUNS" }, "nobody is there");
  await begun();
  await core.conductor.start(deployId);
  assert.equal(core.startedNow.length, 1);
  assert.deepEqual(await kinds(deployId), ["deploy.created", "deploy.stream-started"]);
});

test("waves and times that cannot be are refused, and change nothing", async () => {
  const { core, order } = await room(2);
  const refused = [
    { waves: {} },
    { waves: { canary: 2 } },
    { waves: { canary: ["lab-09"] } },
    { waves: { canary: 1 }, alive: false },
    { waves: { canary: 1 }, afterwards: "power-off" as const },
    { waves: { canary: 1 }, to: "any" as const },
    { limits: { most: 1 } },
    { limits: { network: "10.1.0.0" }, to: "any" as const },
  ];
  for (const request of refused) await assert.rejects(order(request), { code: "DEPLOY_INVALID" });
  assert.deepEqual(await core.sessions.list(), []);
  const past = await order({ startAtMs: core.nowMs - 1 });
  assert.equal((await core.sessions.show(past)).startAtMs, null, "a time that is over is now");
  await core.deploys.cancel(past);
  core.nowMs = Date.UTC(2026, 10, 27);
  const seconds = Date.UTC(2026, 10, 28) / 1000;
  await assert.rejects(order({ startAtMs: seconds }), { code: "DEPLOY_INVALID" }, "not at once");
});

test("a plan says who is left alone and why, and the order is for the others", async () => {
  const { core } = await room(4);
  await core.deploys.create({ image: "lab-debian", to: ["lab-02"] });
  const { plan, deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01", "lab-02", "lab-03"] });
  assert.deepEqual(
    plan.hosts.map(({ name }) => name),
    ["lab-01", "lab-03"],
  );
  assert.deepEqual(
    plan.skipped.map(({ name, reason, why }) => [name, reason, why]),
    [["lab-02", "busy", "session 1 has not finished with it"]],
  );
  assert.deepEqual([plan.waitFor, plan.confirmation, plan.target], [2, "2-hosts", "lab-01, lab-02, lab-03"]);
  const created = (await core.events.list({ deployId })).find(({ kind }) => kind === "deploy.created");
  assert.deepEqual(created?.data["skipped"], [{ name: "lab-02", why: "session 1 has not finished with it" }]);
  await assert.rejects(core.deploys.plan({ image: "lab-debian", to: ["lab-01", "lab-02"] }), { code: "HOSTS_SKIPPED" });
});

test("how long it takes: by the bytes at first, then as hosts took before, wave after wave", async () => {
  const { core, order, restore } = await room(3);
  const first = await core.deploys.plan({ image: "lab-debian", to: ["lab-01"] });
  assert.equal(first.estimate.basis, "rate");
  assert(first.estimate.seconds > 90 && first.estimate.seconds < 600, `${first.estimate.seconds} s`);
  const deployId = await order({ to: ["lab-01"], alive: true });
  await core.report((await core.hosts.find("lab-01")).id, "preflight", deployId);
  core.nowMs += 200_000;
  await restore("lab-01", deployId);
  const waves = { canary: ["lab-01"], batch: 1 };
  const then = await core.deploys.plan({ image: "lab-debian", to: ["lab-01", "lab-02", "lab-03"], waves });
  assert.deepEqual(then.estimate, { seconds: 600, basis: "past", hosts: 1 });
});

test("retry: those that failed or were stopped half-way, and none that has another order since", async () => {
  const { core, order, restore, ids, idOf } = await room(5);
  const deployId = await order({ erase: "zeros", alive: true, verify: "none" });
  await assert.rejects(core.deploys.retry(deployId), { code: "NOTHING_TO_RETRY" });
  for (const name of ["lab-01", "lab-02"]) await restore(name, deployId, "failed");
  await restore("lab-03", deployId);
  await core.orders.orderFor(idOf("lab-04"), NETWORK);
  for (const state of ["preflight", "erasing"] as const) await core.report(idOf("lab-04"), state, deployId);
  await core.deploys.cancel(deployId);
  const request = await core.deploys.retry(deployId);
  assert.deepEqual([...request.to].sort(), [ids[0], ids[1], ids[3]].sort(), "lab-05 never began");
  assert.deepEqual(
    [request.erase, request.alive, request.verify, request.imageVersion, request.retryOf],
    ["zeros", true, "none", 1, deployId],
  );
  const again = await core.deploys.create({ ...request, to: [ids[0]!] });
  assert.equal((await core.sessions.show(again.deployId)).retryOf, deployId);
  assert.deepEqual([...(await core.deploys.retry(deployId)).to].sort(), [ids[1], ids[3]].sort());
  await assert.rejects(core.deploys.retry(99), { code: "DEPLOY_UNKNOWN" });
});

test("stop for some hosts: they are left alone, the others go on, and with the last one it ends", async () => {
  const { core, order, begun, restore, idOf } = await room(3);
  const deployId = await order({});
  await core.deploys.cancel(deployId, ["lab-02"]);
  assert.equal(await begun(), "1 3");
  assert.equal(core.opened[0]?.waitFor, 2);
  await core.report(idOf("lab-03"), "preflight", deployId);
  await core.deploys.cancel(deployId, ["lab-03"]);
  assert.equal((await core.report(idOf("lab-03"), "erasing", deployId, { challenge: "c" })).permit, undefined);
  await assert.rejects(core.deploys.cancel(deployId, ["lab-01", "lab-03"]), { code: "HOST_NOT_ORDERED" });
  await restore("lab-01", deployId, "off");
  await core.report(idOf("lab-01"), "done", deployId);
  const session = await core.sessions.show(deployId);
  assert.deepEqual(
    [session.state, ...session.hosts.map(({ order }) => order)],
    ["done", "done", "cancelled", "cancelled"],
  );
});

test("hosts that want the same version of an image are one stream, whatever order they have", async () => {
  const { core, ids, order, restore } = await room(3);
  const one = await order({ to: [ids[0]!] });
  const two = await order({ to: [ids[1]!] });
  const other = await order({ to: [ids[2]!], imageVersion: 2 });
  const streams = [];
  for (const id of ids) {
    const given = await core.orders.orderFor(id, NETWORK);
    assert(given.kind === "deploy");
    streams.push(given.streamId);
  }
  assert.equal(streams[0], streams[1]);
  assert.notEqual(streams[0], streams[2]);
  assert.equal((await core.sessions.show(two)).streams[0]?.streamId, streams[0]);
  await restore("lab-01", one, "off");
  assert.equal((await core.sessions.show(one)).streams.length, 0);
  assert.deepEqual(core.closed, [], "the other order needs it");
  await core.deploys.cancel(two);
  await core.streams.close(two);
  assert.deepEqual(core.closed, [streams[0]]);
  await core.deploys.cancel(other);
  await core.streams.close(other);
  assert.deepEqual(core.closed, [streams[0], streams[2]]);
});

test("a machine that was restored a moment ago may be switched off, and is woken for the next order", async () => {
  const { core, order, restore } = await room(1);
  await restore("lab-01", await order({ alive: true }));
  await order({ wake: true });
  await core.conductor.look();
  assert.deepEqual(core.woken, ["lab-01"]);
});

test("machines that are switched off are woken when their turn comes, once, and who is awake is not", async () => {
  const { core, order, restore, idOf } = await room(4);
  core.nowMs += HOUR_MS;
  await core.hosts.touch(idOf("lab-02"), core.nowMs);
  const waves = { canary: ["lab-02"], batch: 2 };
  const startAtMs = core.nowMs + 60_000;
  const deployId = await order({ waves, startAtMs, wake: true });
  await core.conductor.look();
  assert.deepEqual(core.woken, [], "not before its time");
  core.nowMs = startAtMs;
  await core.conductor.look();
  assert.deepEqual(core.woken, [], "the canary waits for it in the agent");
  await restore("lab-02", deployId);
  core.wakeFault = new Fault("WAKE_FAILED", { what: "Nothing was sent.", why: "No network.", fix: "Look." });
  await core.conductor.look();
  await core.conductor.look();
  const failed = (await core.events.list({ deployId })).filter(({ kind }) => kind === "deploy.wake-failed");
  assert.equal(failed.length, 1, "told once");
  core.wakeFault = undefined;
  for (const name of ["lab-01", "lab-03"]) await restore(name, deployId);
  await core.conductor.look();
  await core.conductor.look();
  assert.deepEqual(core.woken, ["lab-04"]);
  await assert.rejects(core.deploys.plan({ image: "lab-debian", to: "any", wake: true }), { code: "DEPLOY_INVALID" });
});
