import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { checkPermit, newChallenge } from "../../../agent/client/permit.ts";
import { type AgentState, agentStates, permitText } from "../../../agent/contract.ts";
import { Fault } from "../../../fault.ts";
import { LOST_AFTER_MS, MAX_ATTEMPTS } from "../../../server/orders/deploy-rules.ts";
import { Core, machine, NETWORK } from "../core.ts";
import { runs } from "../databases.ts";

const work: readonly AgentState[] = [
  "preflight",
  "erasing",
  "receiving",
  "verifying",
  "naming",
  "finishing",
  "rebooting",
  "done",
];

async function room(hosts: number, options: { isRegistering?: boolean; hasMenu?: boolean } = {}) {
  const core = await Core.open(options);
  const ids: string[] = [];
  for (let number = 1; number <= hosts; number += 1) ids.push((await core.hosts.register(machine(number))).hostId);
  return { core, ids };
}

function kindOf(core: Core, hostId: string): Promise<string> {
  return core.orders.orderFor(hostId, NETWORK).then(({ kind }) => kind);
}

test("a host with nothing ordered waits with a reason, at most so long, and then boots its disk", async () => {
  const { core, ids } = await room(1);
  const order = await core.orders.orderFor(ids[0]!, NETWORK);
  assert.equal(order.kind, "wait");
  assert.match(order.reason, /at most 30 minutes more/);
  core.nowMs += 29 * 60_000;
  assert.equal(await kindOf(core, ids[0]!), "wait");
  core.nowMs += 60_000;
  assert.equal(await kindOf(core, ids[0]!), "boot-disk");
});

test("a machine that fails holds up nobody: the stream waits for those that can still come", async () => {
  const { core, ids } = await room(4);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01", "lab-02", "lab-03"] });
  const order = await core.orders.orderFor(ids[0]!, NETWORK);
  assert(order.kind === "deploy");
  assert.equal(core.opened[0]?.waitFor, 3);
  assert.equal(core.expected.get(order.streamId), undefined);
  const fault = new Fault("DISK_MISSING", { what: "w", why: "y", fix: "f" }).toJSON();
  await core.report(ids[1]!, "failed", deployId, { fault });
  assert.equal(core.expected.get(order.streamId), 2);
  // Another order for the same image comes along on the same stream.
  const other = await core.deploys.create({ image: "lab-debian", to: ["lab-04"] });
  await core.orders.orderFor(ids[3]!, NETWORK);
  await core.report(ids[2]!, "failed", deployId, { fault });
  assert.equal(core.expected.get(order.streamId), 2, "one of each");
  await core.deploys.cancel(other.deployId);
});

test("whom an order to any host meets nobody knows: its stream waits as it was told", async () => {
  const { core, ids } = await room(2);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: "any", waitFor: 2 });
  for (const id of ids) await core.orders.orderFor(id, NETWORK);
  const fault = new Fault("DISK_MISSING", { what: "w", why: "y", fix: "f" }).toJSON();
  await core.report(ids[1]!, "failed", deployId, { fault });
  assert.equal(core.expected.size, 0);
});

test("boot policy: unknown machines get the agent only to register or for a deploy to any", async () => {
  const { core } = await room(1);
  assert.deepEqual(await core.orders.bootPolicyOf(machine(9).mac), { boot: "agent" });
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac.toUpperCase()), { boot: "disk" });
  const closed = (await room(1, { isRegistering: false })).core;
  assert.deepEqual(await closed.orders.bootPolicyOf(machine(9).mac), { boot: "disk" });
  await closed.deploys.create({ image: "lab-debian", to: "any" });
  assert.deepEqual(await closed.orders.bootPolicyOf(machine(9).mac), { boot: "agent" });
  assert.deepEqual(await closed.orders.bootPolicyOf(machine(1).mac), { boot: "agent" });
});

test("with the menu switched on a machine shows it exactly where it would start its disk", async () => {
  for (const isRegistering of [true, false]) {
    const { core, ids } = await room(2, { isRegistering, hasMenu: true });
    assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "menu" });
    assert.deepEqual(await core.orders.bootPolicyOf(machine(9).mac), { boot: isRegistering ? "agent" : "menu" });
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: [ids[0]!] });
    assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "agent" });
    assert.deepEqual(await core.orders.bootPolicyOf(machine(2).mac), { boot: "menu" });
    await core.deploys.cancel(deployId);
    assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "menu" });
  }
});

test("only the named hosts get the order, all of them the same stream", async () => {
  const { core, ids } = await room(3);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01", "lab-02"] });
  const [one, two, three] = await Promise.all(ids.map((id) => core.orders.orderFor(id, NETWORK)));
  assert(one?.kind === "deploy" && two?.kind === "deploy");
  assert.equal(one.streamId, two.streamId);
  assert.equal(one.deployId, String(deployId));
  assert.equal(one.hostName, "lab-01");
  assert.equal(three?.kind, "wait");
  assert.deepEqual(
    core.opened.map(({ waitFor, imageVersion, interfaceAddress }) => ({ waitFor, imageVersion, interfaceAddress })),
    [{ waitFor: 2, imageVersion: 1, interfaceAddress: NETWORK }],
  );
});

test("hosts in another network get a stream of their own", async () => {
  const { core, ids } = await room(2);
  await core.deploys.create({ image: "lab-debian", to: ["lab-01", "lab-02"] });
  await core.orders.orderFor(ids[0]!, "10.1.0.1");
  await core.orders.orderFor(ids[1]!, "10.2.0.1");
  assert.deepEqual(
    core.opened.map(({ interfaceAddress }) => interfaceAddress),
    ["10.1.0.1", "10.2.0.1"],
  );
});

test("a stream that ended is opened again for a host that still asks, and waits for no more than are left", async () => {
  const { core, ids } = await room(2);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01", "lab-02"] });
  const first = await core.orders.orderFor(ids[0]!, NETWORK);
  assert(first.kind === "deploy");
  await core.report(ids[0]!, "rebooting", deployId);
  core.endStream(first.streamId);
  const second = await core.orders.orderFor(ids[1]!, NETWORK);
  assert(second.kind === "deploy");
  assert.notEqual(second.streamId, first.streamId);
  assert.equal(core.opened[1]?.waitFor, 1);
});

test("when the stream cannot be opened the host waits, and its screen says why", async () => {
  const { core, ids } = await room(1);
  await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  core.streamFault = new Fault("PACK_MISSING", {
    what: "A pack is missing.",
    why: "It was deleted.",
    fix: "Import it again.",
  });
  const order = await core.orders.orderFor(ids[0]!, NETWORK);
  assert.equal(order.kind, "wait");
  assert.match(order.reason, /A pack is missing\. Import it again\./);
  core.streamFault = undefined;
  assert.equal(await kindOf(core, ids[0]!), "deploy");
});

for (const last of ["rebooting", "done", "failed"] as const) {
  test(`no re-imaging loop: after "${last}" the host boots its disk`, async () => {
    const { core, ids } = await room(1);
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
    await core.orders.orderFor(ids[0]!, NETWORK);
    for (const state of ["preflight", "erasing"] as const) await core.report(ids[0]!, state, deployId);
    assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "agent" });
    await core.report(ids[0]!, last, deployId);
    assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "disk" });
    assert.notEqual(await kindOf(core, ids[0]!), "deploy");
    assert.equal((await core.sessions.show(deployId)).state, "done");
    assert.equal(core.closed.length, 1, "the stream is closed with its last host");
  });
}

for (const state of work.slice(0, 6)) {
  test(`a power cut while ${state}: the order is still there when the host comes back`, async () => {
    const { core, ids } = await room(1);
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
    await core.orders.orderFor(ids[0]!, NETWORK);
    for (const before of work.slice(0, work.indexOf(state) + 1)) await core.report(ids[0]!, before, deployId);
    core.nowMs += 3_600_000;
    assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "agent" });
    await core.hosts.register(machine(1));
    const order = await core.orders.orderFor(ids[0]!, NETWORK);
    assert(order.kind === "deploy" && order.deployId === String(deployId));
  });
}

test("a host that began and was silent for half a day is not erased again by itself", async () => {
  const { core, ids } = await room(2);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01", "lab-02"] });
  await core.orders.orderFor(ids[0]!, NETWORK);
  for (const state of work.slice(0, 6)) await core.report(ids[0]!, state, deployId);
  core.nowMs += LOST_AFTER_MS;
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "agent" }, "not yet");
  core.nowMs += 1;
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "disk" });
  assert.equal((await core.sessions.show(deployId)).hosts[0]?.fault?.code, "DEPLOY_LOST");
  assert.equal((await core.report(ids[0]!, "erasing", deployId)).proceed, false);
  assert.notEqual(await kindOf(core, ids[0]!), "deploy");
  assert.deepEqual(await core.orders.bootPolicyOf(machine(2).mac), { boot: "agent" }, "one that never began stays");
});

test("a host whose disk is begun again and again is given up", async () => {
  const { core, ids } = await room(1);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    // No machine is back from a power cut sooner.
    core.nowMs += 15_000;
    await core.hosts.register(machine(1));
    assert.equal(await kindOf(core, ids[0]!), "deploy");
    assert.equal((await core.report(ids[0]!, "erasing", deployId)).proceed, true);
    assert.equal((await core.report(ids[0]!, "erasing", deployId)).proceed, true, "the same attempt");
  }
  core.nowMs += 15_000;
  await core.hosts.register(machine(1));
  assert.equal((await core.report(ids[0]!, "erasing", deployId)).proceed, false);
  const session = await core.sessions.show(deployId);
  assert.equal(session.hosts[0]?.fault?.code, "DEPLOY_GAVE_UP");
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "disk" });
});

test("any: each host that appears, once, whether it was known or not", async () => {
  const { core, ids } = await room(1);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: "any" });
  const unknown = await core.hosts.register(machine(7));
  for (const id of [ids[0]!, unknown.hostId]) {
    assert.equal(await kindOf(core, id), "deploy");
    assert.equal(await kindOf(core, id), "deploy", "asked again before it is done");
    for (const state of work) await core.report(id, state, deployId);
    assert.equal(await kindOf(core, id), "boot-disk");
  }
  assert.deepEqual(await core.orders.bootPolicyOf(machine(7).mac), { boot: "disk" });
  const session = await core.sessions.show(deployId);
  assert.equal(session.state, "active", "it goes on until somebody stops it");
  assert.equal(session.hosts.length, 2);
  await core.deploys.cancel(deployId);
  const late = await core.hosts.register(machine(8));
  assert.equal(await kindOf(core, late.hostId), "wait");
});

test("any does not take a host that was restored by name since", async () => {
  const { core, ids } = await room(1);
  const named = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  await core.deploys.create({ image: "lab-debian", to: "any" });
  core.nowMs += 1000;
  for (const state of work) await core.report(ids[0]!, state, named.deployId);
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "disk" });
});

test("any does not take a host that was restored by name since, whatever the clock said then", async () => {
  const { core, ids } = await room(1);
  await core.deploys.create({ image: "lab-debian", to: "any" });
  const named = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  core.nowMs -= 60_000;
  for (const state of work) await core.report(ids[0]!, state, named.deployId);
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "disk" });
});

test("an order that cannot be carried out is refused", async () => {
  const { core } = await room(2);
  const create = (request: object) => core.deploys.create({ image: "lab-debian", to: ["lab-01"], ...request });
  await assert.rejects(create({ image: "absent" }), { code: "IMAGE_MISSING" });
  await assert.rejects(create({ to: ["lab-09"] }), { code: "HOST_UNKNOWN" });
  await assert.rejects(create({ to: [] }), { code: "DEPLOY_INVALID" });
  await assert.rejects(create({ waitFor: 2 }), { code: "DEPLOY_INVALID" });
  assert.equal((await create({ to: ["lab-01", machine(1).mac] })).plan.hosts.length, 1, "one host named twice");
  await assert.rejects(create({}), { code: "HOST_BUSY" });
  await create({ to: "any" });
  await assert.rejects(create({ to: "any" }), { code: "DEPLOY_EXISTS" });
});

test("stop: hosts in the middle are told not to go on, the others are left alone", async () => {
  const { core, ids } = await room(2);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01", "lab-02"] });
  await core.orders.orderFor(ids[0]!, NETWORK);
  await core.report(ids[0]!, "preflight", deployId);
  await core.deploys.cancel(deployId);
  const answer = await core.report(ids[0]!, "erasing", deployId);
  assert.deepEqual(answer, { proceed: false, reason: `Session ${deployId} was stopped.` });
  assert.deepEqual(await core.orders.bootPolicyOf(machine(2).mac), { boot: "disk" });
  await assert.rejects(core.deploys.cancel(deployId), { code: "DEPLOY_ENDED" });
  await assert.rejects(core.deploys.cancel(99), { code: "DEPLOY_UNKNOWN" });
});

test("a host that is through with an order is not permitted to begin it again; its last words are heard", async () => {
  const { core, ids } = await room(1);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  for (const state of work) assert.equal((await core.report(ids[0]!, state, deployId)).proceed, true, state);
  for (const state of work.slice(0, 6)) {
    assert.equal((await core.report(ids[0]!, state, deployId)).proceed, false, `a replayed "${state}"`);
    assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "disk" });
  }
});

test("an order that is stopped while a host asks for it is not given, and opens no stream", async () => {
  for (const to of [["lab-01"], "any"] as const) {
    const { core, ids } = await room(1);
    const { deployId } = await core.deploys.create({ image: "lab-debian", to });
    // The question is asked first and looks the order up first; the stop is written before the answer.
    const [order] = await Promise.all([core.orders.orderFor(ids[0]!, NETWORK), core.deploys.cancel(deployId)]);
    if (order.kind === "deploy") {
      assert.equal((await core.report(ids[0]!, "erasing", deployId)).proceed, false);
      continue;
    }
    assert.equal(order.kind, "wait");
    assert.deepEqual(core.opened, []);
  }
});

test("a host that had its turn under any is not forgotten while that goes on: it would be erased again", async () => {
  const { core, ids } = await room(1);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: "any" });
  await core.orders.orderFor(ids[0]!, NETWORK);
  for (const state of work) await core.report(ids[0]!, state, deployId);
  await assert.rejects(core.hosts.forget("lab-01"), { code: "HOST_BUSY" });
  await core.deploys.cancel(deployId);
  await core.hosts.forget("lab-01");
});

test("a host that was restored by name while any goes on is not forgotten either, unless that is not for its model", async () => {
  const { core, ids } = await room(1);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  const others = await core.deploys.create({ image: "lab-debian", to: "any", limits: { model: "another*" } });
  for (const state of work) await core.report(ids[0]!, state, deployId);
  await core.hosts.forget("lab-01");
  await core.deploys.cancel(others.deployId);
  const { hostId } = await core.hosts.register(machine(1));
  const again = await core.deploys.create({ image: "lab-debian", to: [hostId] });
  await core.deploys.create({ image: "lab-debian", to: "any" });
  for (const state of work) await core.report(hostId, state, again.deployId);
  await assert.rejects(core.hosts.forget(hostId), { code: "HOST_BUSY" });
});

test("a permit to erase is signed for the host that has the order, while it stands, and for nothing else", async () => {
  const { core, ids } = await room(2);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  const [hostId, other] = [ids[0]!, ids[1]!];
  const challenge = newChallenge();
  const ask = (id: string, state: AgentState = "erasing") => core.report(id, state, deployId, { challenge });
  const text = permitText({
    challenge,
    mac: machine(1).mac,
    deployId: String(deployId),
    image: "lab-debian",
    imageVersion: 1,
  });
  const trusted = [core.siteKey.publicKey];

  assert.equal((await core.report(hostId, "erasing", deployId)).permit, undefined, "without a challenge");
  assert.equal((await core.report(hostId, "erasing", undefined, { challenge })).permit, undefined, "without an order");
  assert.equal((await ask(hostId, "receiving")).permit, undefined);
  checkPermit(text, (await ask(hostId)).permit, trusted);
  assert.equal((await ask(other)).permit, undefined, "another host");

  await core.report(hostId, "done", deployId);
  assert.equal((await ask(hostId)).permit, undefined, "it is done");
  const stopped = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  await core.orders.orderFor(hostId, NETWORK);
  await core.deploys.cancel(stopped.deployId);
  assert.equal((await core.report(hostId, "erasing", stopped.deployId, { challenge })).permit, undefined, "stopped");
});

test("a report about an order that this host never had stops it", async () => {
  const { core, ids } = await room(2);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  assert.equal((await core.report(ids[1]!, "erasing", deployId)).proceed, false);
  assert.equal((await core.reports.report(ids[1]!, { state: "erasing", detail: "", deployId: "x" })).proceed, false);
  assert.equal((await core.sessions.show(deployId)).hosts[0]?.order, "pending");
});

test("a session shows the minutes of each state and in all", async () => {
  const { core, ids } = await room(1);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  for (const state of work) {
    await core.report(ids[0]!, state, deployId);
    core.nowMs += 60_000;
  }
  const [host] = (await core.sessions.show(deployId)).hosts;
  assert.deepEqual(host?.timings, Object.fromEntries(work.slice(0, 6).map((state) => [state, 60_000])));
  assert.equal(host?.totalMs, 6 * 60_000);
});

test("a restart of the server loses nothing, and opens the stream again", async () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-restart-"));
  try {
    const path = join(directory, "bootcast.db");
    const before = await Core.open({ path });
    const { hostId, token } = await before.hosts.register(machine(1));
    const { deployId } = await before.deploys.create({ image: "lab-debian", to: ["lab-01"] });
    const first = await before.orders.orderFor(hostId, NETWORK);
    await before.report(hostId, "receiving", deployId, { percent: 40 });
    await before.db.destroy();
    const after = await Core.open({ path });
    after.nowMs = before.nowMs + 5_000;
    await after.streams.resume();
    assert.equal(after.opened.length, 1, "before anybody asks");
    assert.equal(await after.hosts.isToken(hostId, token), true);
    assert.equal((await after.hosts.find("lab-01")).percent, 40);
    const order = await after.orders.orderFor(hostId, NETWORK);
    assert(order.kind === "deploy" && order.deployId === String(deployId));
    assert(first.kind === "deploy" && order.streamId === first.streamId, "the same stream");
    assert.equal(after.opened.length, 1);
    await after.report(hostId, "done", deployId);
    await after.db.destroy();
    const later = await Core.open({ path });
    await later.streams.resume();
    assert.equal(later.opened.length, 0, "what is done is not opened again");
    await later.db.destroy();
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("a stream that two orders share stays for the second one when the first one ends, also after a restart", async () => {
  const { core, ids } = await room(2);
  const orders: number[] = [];
  for (const [at, hostId] of ids.entries()) {
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: [`lab-0${at + 1}`] });
    await core.orders.orderFor(hostId, NETWORK);
    await core.report(hostId, "preflight", deployId);
    orders.push(deployId);
  }
  const after = new Core(core.db, { siteKey: core.siteKey });
  after.nowMs = core.nowMs;
  await after.streams.resume();
  assert.equal(after.opened.length, 1);
  await after.report(ids[0]!, "done", orders[0]);
  assert.deepEqual(after.closed, [], "the other order's host is in the middle of it");
  await after.report(ids[1]!, "done", orders[1]);
  assert.equal(after.closed.length, 1);
});

// Anything in any order: what a person orders, what hosts do, what goes wrong.
type Step =
  | { readonly do: "appear" | "ask" | "power-cut"; readonly host: number }
  | { readonly do: "report"; readonly host: number; readonly state: AgentState }
  | { readonly do: "order"; readonly hosts: readonly number[] }
  | { readonly do: "any" }
  | { readonly do: "stop"; readonly deploy: number }
  | { readonly do: "pass"; readonly ms: number };

const host = fc.integer({ min: 1, max: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom("appear" as const, "ask" as const, "power-cut" as const), host }),
  fc.record({ do: fc.constant("report" as const), host, state: fc.constantFrom(...agentStates) }),
  fc.record({ do: fc.constant("order" as const), hosts: fc.uniqueArray(host, { minLength: 1, maxLength: 3 }) }),
  fc.record({ do: fc.constant("any" as const) }),
  fc.record({ do: fc.constant("stop" as const), deploy: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 3_600_000 }) }),
);

test("whatever happens, no host is given a deploy that was not ordered for it, nor one that it is through with", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const core = await Core.open();
      const idOf = new Map<number, string>();
      /** What people ordered: deploy → named hosts, or any. */
      const ordered = new Map<number, readonly number[] | "any">();
      const stopped = new Set<number>();
      /** "deploy/host" that reported an end. */
      const through = new Set<string>();
      const given = new Map<number, number>();
      const refuse = (error: unknown) => assert(error instanceof Fault);
      try {
        for (const one of steps) {
          core.nowMs += 1;
          if (one.do === "pass") core.nowMs += one.ms;
          if (one.do === "appear" || one.do === "power-cut") {
            idOf.set(one.host, (await core.hosts.register(machine(one.host))).hostId);
          }
          if (one.do === "order") {
            const to = one.hosts.flatMap((number) => idOf.get(number) ?? []);
            const named = one.hosts.filter((number) => idOf.has(number));
            await core.deploys
              .create({ image: "lab-debian", to })
              .then(({ deployId }) => ordered.set(deployId, named), refuse);
          }
          if (one.do === "any") {
            await core.deploys
              .create({ image: "lab-debian", to: "any" })
              .then(({ deployId }) => ordered.set(deployId, "any"), refuse);
          }
          if (one.do === "stop") await core.deploys.cancel(one.deploy).then(() => stopped.add(one.deploy), refuse);
          const hostId = "host" in one ? idOf.get(one.host) : undefined;
          if (one.do === "ask" && hostId !== undefined) {
            const policy = await core.orders.bootPolicyOf(machine(one.host).mac);
            const order = await core.orders.orderFor(hostId, NETWORK);
            assert.equal(policy.boot === "agent", order.kind === "deploy", "firmware and agent are told the same");
            if (order.kind !== "deploy") continue;
            const deployId = Number(order.deployId);
            const to = ordered.get(deployId);
            assert(to === "any" || to?.includes(one.host), `deploy ${deployId} was not ordered for host ${one.host}`);
            assert(!stopped.has(deployId), "a stopped deploy was given");
            assert(!through.has(`${deployId}/${one.host}`), "a host was given what it is through with");
            given.set(one.host, deployId);
          }
          if (one.do === "report" && hostId !== undefined) {
            const deployId = given.get(one.host);
            const answer = await core.report(hostId, one.state, deployId);
            if (deployId === undefined) continue;
            if (stopped.has(deployId) && !through.has(`${deployId}/${one.host}`)) assert.equal(answer.proceed, false);
            if (["rebooting", "done", "failed"].includes(one.state) || !answer.proceed)
              through.add(`${deployId}/${one.host}`);
          }
        }
        await core.reports.endLost();
        // Everything still open is told again after a restart: state is in the tables only.
        const rows = await core.db
          .selectFrom("deploy_hosts")
          .selectAll()
          .where("state", "in", ["pending", "running"])
          .execute();
        for (const { deploy_id, host_id } of rows) {
          const order = await core.orders.orderFor(host_id, NETWORK);
          assert(order.kind === "deploy" && order.deployId === String(deploy_id));
        }
      } finally {
        await core.db.destroy();
      }
    }),
    { numRuns: runs(60) },
  );
});
