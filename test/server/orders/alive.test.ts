import assert from "node:assert/strict";
import { verify } from "node:crypto";
import { after, before, test } from "node:test";
import { aliveText, CONTRACT_VERSION, type Order } from "../../../agent/contract.ts";
import type { HttpServer } from "../../../server/http/http.ts";
import { DEFAULT_ALIVE_MS, isNamedSo } from "../../../server/orders/alive-rules.ts";
import { Core, machine, NETWORK } from "../core.ts";
import { agentHttp } from "../http/agent-http.ts";

let core: Core;
let http: HttpServer;

before(async () => {
  core = await Core.open();
  http = agentHttp(core);
});
after(async () => {
  await http.close();
  await core.db.destroy();
});

type Deploying = Extract<Order, { kind: "deploy" }>;

/** A host with an order to restore and then call, which it has begun. */
async function restored(number: number, more: { alive?: boolean } = { alive: true }) {
  const inventory = machine(number, { contract: CONTRACT_VERSION });
  const { hostId, name } = await core.hosts.register(inventory);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [name], ...more });
  const order = (await core.orders.orderFor(hostId, NETWORK)) as Deploying;
  await core.report(hostId, "erasing", deployId);
  return { hostId, name, mac: inventory.mac, deployId, order };
}

/** The agent's last words: the system of this host calls by itself. */
async function restarts({ hostId, deployId }: { hostId: string; deployId: number }, callsWhenUp = true) {
  const calls = callsWhenUp ? { callsWhenUp: true } : {};
  await core.report(hostId, "rebooting", deployId, calls);
  return core.report(hostId, "done", deployId, calls);
}

function call(hostId: string, token: string, name: string) {
  return http.inject({
    method: "POST",
    url: `/agent/v1/hosts/${hostId}/alive`,
    headers: { authorization: `Bearer ${token}` },
    payload: { name },
  });
}

const orderOf = async (deployId: number) => (await core.sessions.show(deployId)).hosts[0]?.order;
const stateOf = async (name: string) => (await core.hosts.find(name)).state;

test("an order that wants no word carries none, and ends with the agent's", async () => {
  const host = await restored(1, {});
  assert.equal(host.order.alive, undefined);
  await restarts(host, false);
  assert.deepEqual([await orderOf(host.deployId), await stateOf(host.name)], ["done", "done"]);
});

test("url and token are signed for this machine and this order, and are the same when asked again", async () => {
  const { hostId, mac, deployId, order } = await restored(2);
  assert(order.alive !== undefined);
  const { url, token, permit } = order.alive;
  assert.equal(url, `http://${NETWORK}:8440/agent/v1/hosts/${hostId}/alive`);
  const text = aliveText({ mac, deployId: String(deployId), url, token });
  assert(verify(null, Buffer.from(text), core.siteKey.publicKey, Buffer.from(permit, "base64")));
  assert.deepEqual(((await core.orders.orderFor(hostId, NETWORK)) as Deploying).alive, order.alive);
  // Who takes it out of the order is found out.
  assert.equal(order.terms?.alive, true);
});

test("a host is done when its system has called under its name; until then its firmware starts the disk", async () => {
  const host = await restored(3);
  const { hostId, name, mac, deployId, order } = host;
  assert.equal((await restarts(host)).proceed, true);
  assert.deepEqual([await orderOf(deployId), await stateOf(name)], ["running", "rebooting"]);
  assert.equal((await core.sessions.show(deployId)).state, "active");
  assert.deepEqual(await core.orders.bootPolicyOf(mac), { boot: "disk" });
  assert.equal((await core.orders.orderFor(hostId, NETWORK)).kind, "boot-disk");

  const wrong = await call(hostId, "x".repeat(43), name);
  assert.deepEqual([wrong.statusCode, wrong.json().code], [401, "TOKEN_WRONG"]);
  const early = await call(hostId, order.alive!.token, "localhost");
  assert.deepEqual([early.statusCode, early.json()], [409, { isNamed: false }]);
  assert.equal(await orderOf(deployId), "running");

  const up = await call(hostId, order.alive!.token, `${name.toUpperCase()}.example.org`);
  assert.deepEqual([up.statusCode, up.json()], [200, { isNamed: true }]);
  assert.deepEqual([await orderOf(deployId), await stateOf(name)], ["done", "done"]);
  assert.equal((await core.sessions.show(deployId)).state, "done");
  const before = (await core.events.list({ hostId })).length;
  // Its answer was lost: it calls again, and nothing changes.
  assert.equal((await call(hostId, order.alive!.token, name)).statusCode, 200);
  assert.equal((await core.events.list({ hostId })).length, before);
});

test("a host of another order does not have this one's token", async () => {
  const one = await restored(4);
  const other = await restored(5);
  await restarts(one);
  await restarts(other);
  assert.equal((await call(one.hostId, other.order.alive!.token, one.name)).statusCode, 401);
  assert.equal(await orderOf(one.deployId), "running");
});

test("silence until the deadline is a failure with a reason; a late word still counts", async () => {
  const host = await restored(6);
  await restarts(host);
  core.nowMs += DEFAULT_ALIVE_MS - 1;
  await core.alive.endLate();
  assert.equal(await orderOf(host.deployId), "running");
  core.nowMs += 1;
  await core.alive.endLate();
  const session = await core.sessions.show(host.deployId);
  assert.deepEqual([session.state, session.hosts[0]?.fault?.code], ["done", "HOST_NOT_ALIVE"]);
  assert.equal(await stateOf(host.name), "failed");
  // Nobody erases it again because it was silent.
  assert.deepEqual(await core.orders.bootPolicyOf(host.mac), { boot: "disk" });
  await call(host.hostId, host.order.alive!.token, host.name);
  assert.deepEqual([await orderOf(host.deployId), await stateOf(host.name)], ["done", "done"]);
  assert.equal((await core.sessions.show(host.deployId)).hosts[0]?.fault, null);
});

test("a deadline that passed while the server was off begins again, for a minute", async () => {
  const host = await restored(14);
  await restarts(host);
  core.nowMs += 3 * DEFAULT_ALIVE_MS;
  await core.alive.resume();
  await core.alive.endLate();
  assert.equal(await orderOf(host.deployId), "running");
  await core.alive.resume();
  core.nowMs += 60_000;
  await core.alive.endLate();
  assert.equal(await orderOf(host.deployId), "failed");
  // One that runs for longer stays as it is.
  const other = await restored(15);
  await restarts(other);
  await core.alive.resume();
  core.nowMs += DEFAULT_ALIVE_MS - 1;
  await core.alive.endLate();
  assert.equal(await orderOf(other.deployId), "running");
});

test("a system with another name is told apart from a silent one", async () => {
  const host = await restored(7);
  await restarts(host);
  await call(host.hostId, host.order.alive!.token, "master");
  core.nowMs += DEFAULT_ALIVE_MS;
  await core.alive.endLate();
  const fault = (await core.sessions.show(host.deployId)).hosts[0]?.fault;
  assert.equal(fault?.code, "HOST_NAME_WRONG");
  assert.match(fault?.what ?? "", /calls itself "master"/);
});

test("a call while the agent is at work stops nothing, whoever has read the token", async () => {
  const host = await restored(16);
  const { hostId, deployId, name, order } = host;
  for (const state of ["erasing", "receiving", "verifying", "naming", "finishing"] as const) {
    assert.equal((await core.report(hostId, state, deployId)).proceed, true);
    assert.equal((await call(hostId, order.alive!.token, name)).statusCode, 409);
    assert.equal((await call(hostId, order.alive!.token, "another")).statusCode, 409);
    assert.equal(await orderOf(deployId), "running");
  }
  // Silence alone is no sign of a restart.
  await core.report(hostId, "verifying", deployId);
  core.nowMs += 600_000;
  assert.equal((await call(hostId, order.alive!.token, name)).statusCode, 409);
  assert.equal((await core.report(hostId, "naming", deployId)).proceed, true);
  await restarts(host);
  assert.equal((await call(hostId, order.alive!.token, name)).statusCode, 200);
  assert.equal(await orderOf(deployId), "done");
});

test("a system that was faster than the agent's last word, or whose agent was never heard, is done", async () => {
  const host = await restored(8);
  await core.report(host.hostId, "finishing", host.deployId);
  core.nowMs += 30_000;
  assert.equal((await call(host.hostId, host.order.alive!.token, host.name)).statusCode, 200);
  assert.equal(await orderOf(host.deployId), "done");
  assert.equal((await restarts(host)).proceed, true);
  core.nowMs += 2 * DEFAULT_ALIVE_MS;
  await core.alive.endLate();
  assert.equal(await orderOf(host.deployId), "done");
});

test("a system that cannot call is not waited for", async () => {
  const host = await restored(9);
  await restarts(host, false);
  assert.equal(await orderOf(host.deployId), "done");
});

test("a failed restore is not mended by a call", async () => {
  const host = await restored(10);
  const fault = { code: "SCRIPT_FAILED", what: "A script failed.", why: "It said so.", fix: "Mend it." };
  await core.report(host.hostId, "failed", host.deployId, { fault });
  await call(host.hostId, host.order.alive!.token, host.name);
  assert.deepEqual([await orderOf(host.deployId), await stateOf(host.name)], ["failed", "failed"]);
});

test("what an older agent cannot do is refused, and an order that contradicts itself", async () => {
  const { hostId, name } = await core.hosts.register(machine(11, { contract: 3 }));
  for (const more of [{ alive: true }, { afterwards: "power-off" as const }]) {
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: [name], ...more });
    const order = await core.orders.orderFor(hostId, NETWORK);
    assert.equal(order.kind, "boot-disk");
    assert.match(order.reason, /boot image/);
    assert.equal(await orderOf(deployId), "failed");
  }
  const plain = await core.deploys.create({ image: "lab-debian", to: [name], afterwards: "reboot" });
  assert.equal((await core.orders.orderFor(hostId, NETWORK)).kind, "deploy");
  await core.deploys.cancel(plain.deployId);
  for (const afterwards of ["power-off", "wait"] as const) {
    const wanted = { image: "lab-debian", to: [name], afterwards, alive: true };
    await assert.rejects(core.deploys.plan(wanted), { code: "DEPLOY_INVALID" });
  }
  const order = await restored(12, { alive: false });
  assert.equal(order.order.terms?.afterwards, undefined);
});

test("what comes afterwards is in the order's terms, and in the plan", async () => {
  const { hostId, name } = await core.hosts.register(machine(13, { contract: CONTRACT_VERSION }));
  const { plan } = await core.deploys.create({ image: "lab-debian", to: [name], afterwards: "kexec" });
  assert.deepEqual([plan.afterwards, plan.alive], ["kexec", false]);
  const order = (await core.orders.orderFor(hostId, NETWORK)) as Deploying;
  assert.equal(order.terms?.afterwards, "kexec");
});

for (const [said, name, isSo] of [
  ["lab-07", "lab-07", true],
  ["LAB-07.example.org", "lab-07", true],
  ["lab-07", "lab-07.example.org", true],
  ["lab-070", "lab-07", false],
  ["", "lab-07", false],
  [".lab-07", "lab-07", false],
] as const) {
  test(`"${said}" ${isSo ? "is" : "is not"} ${name}`, () => assert.equal(isNamedSo(said, name), isSo));
}
