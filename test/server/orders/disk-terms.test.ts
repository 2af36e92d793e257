import assert from "node:assert/strict";
import { after, test } from "node:test";
import { checkPermit, newChallenge } from "../../../agent/client/permit.ts";
import { CONTRACT_VERSION, type Disk, type Order, permitText } from "../../../agent/contract.ts";
import { contentText } from "../../../agent/disk/content.ts";
import { Core, machine, NETWORK } from "../core.ts";

const contract = CONTRACT_VERSION;
const [plain] = machine(0).disks;
const luks: Disk = { ...plain!, serial: "S1", holds: [{ number: 2, kind: "luks", label: "" }] };

async function opened(): Promise<Core> {
  const core = await Core.open();
  after(() => core.db.destroy());
  return core;
}

function deployOf(order: Order): Extract<Order, { kind: "deploy" }> {
  assert(order.kind === "deploy", order.reason);
  return order;
}

test("an order carries the rule, the way to erase, what was seen, and what was restored before", async () => {
  const core = await opened();
  const { hostId } = await core.hosts.register(machine(1, { contract, disks: [luks] }));
  const { plan } = await core.deploys.create({ image: "lab-debian", to: [hostId], disk: "smallest", erase: "zeros" });
  assert.deepEqual(plan.hosts[0]?.contents, ["S1: 2 luks"]);
  const { terms } = deployOf(await core.orders.orderFor(hostId, NETWORK));
  assert.deepEqual(terms, {
    disk: "smallest",
    erase: "zeros",
    confirmed: ["S1: 2 luks"],
    known: "",
    grow: "last",
    ids: "keep",
    hostName: "lab-01",
  });
});

test("only what a person was shown is confirmed", async () => {
  const core = await opened();
  const { hostId } = await core.hosts.register(machine(1, { contract, disks: [luks] }));
  await core.deploys.create({ image: "lab-debian", to: [hostId], confirmed: ["S1: nothing"] });
  assert.deepEqual(deployOf(await core.orders.orderFor(hostId, NETWORK)).terms?.confirmed, []);
});

test("zero-touch confirms nothing", async () => {
  const core = await opened();
  const { hostId } = await core.hosts.register(machine(1, { contract, disks: [luks] }));
  await core.deploys.create({ image: "lab-debian", to: "any" });
  assert.deepEqual(deployOf(await core.orders.orderFor(hostId, NETWORK)).terms?.confirmed, []);
});

test("the order's rule comes before the host's, and that before the setting; later changes come too late", async () => {
  const core = await opened();
  const { hostId } = await core.hosts.register(machine(1, { contract }));
  const ruleNow = async (disk?: string) => {
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: [hostId], disk });
    await core.hosts.setDiskRule(hostId, "serial=later");
    const { terms } = deployOf(await core.orders.orderFor(hostId, NETWORK));
    await core.deploys.cancel(deployId);
    return terms?.disk;
  };
  await core.hosts.setDiskRule(hostId, null);
  assert.equal(await ruleNow(), "only");
  await core.hosts.setDiskRule(hostId, "largest");
  assert.equal(await ruleNow(), "largest");
  assert.equal(await ruleNow("size=..1T"), "size=..1T");
  assert.equal((await core.hosts.find(hostId)).diskRule, "serial=later");
});

test("a rule that makes no sense is refused where it is given", async () => {
  const core = await opened();
  const { hostId } = await core.hosts.register(machine(1, { contract }));
  await assert.rejects(core.deploys.plan({ image: "lab-debian", to: [hostId], disk: "best" }), { code: "DISK_RULE" });
  await assert.rejects(core.hosts.setDiskRule(hostId, "size=big"), { code: "DISK_RULE" });
  assert.equal((await core.hosts.find(hostId)).diskRule, null);
});

test("an older agent is not given a rule that it would not obey, and plain orders as before", async () => {
  for (const [request, kind] of [
    [{ disk: "smallest" }, "boot-disk"],
    [{ erase: "zeros" }, "boot-disk"],
    [{}, "deploy"],
  ] as const) {
    const core = await opened();
    const { hostId } = await core.hosts.register(machine(1, { contract: 2 }));
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: [hostId], ...request });
    const order = await core.orders.orderFor(hostId, NETWORK);
    assert.equal(order.kind, kind);
    if (order.kind === "deploy") assert(!("terms" in order));
    else {
      assert.match(order.reason, /cannot choose or erase/);
      const [host] = (await core.sessions.show(deployId)).hosts;
      assert.equal(host?.fault?.code, "BOOT_IMAGE_OLD");
    }
  }
});

test("an agent of before grows nothing by itself, and is refused only what was asked for", async () => {
  for (const [request, terms] of [
    [{}, { disk: "only", erase: "quick", confirmed: [], known: "" }],
    [
      { grow: "keep", ids: "keep" },
      { disk: "only", erase: "quick", confirmed: [], known: "" },
    ],
    [{ grow: "last" }, undefined],
    [{ ids: "renew" }, undefined],
  ] as const) {
    const core = await opened();
    const { hostId } = await core.hosts.register(machine(1, { contract: 3 }));
    await core.deploys.create({ image: "lab-debian", to: [hostId], ...request });
    const order = await core.orders.orderFor(hostId, NETWORK);
    if (terms === undefined) assert.match(order.reason, /cannot grow partitions or renew numbers/);
    else assert.deepEqual(deployOf(order).terms, terms);
  }
});

test("what becomes of the disk is in the plan and in the order", async () => {
  const core = await opened();
  const { hostId } = await core.hosts.register(machine(1, { contract }));
  const usual = await core.deploys.plan({ image: "lab-debian", to: [hostId] });
  assert.deepEqual([usual.grow, usual.ids], ["last", "keep"]);
  const { plan } = await core.deploys.create({ image: "lab-debian", to: [hostId], grow: "keep", ids: "renew" });
  assert.deepEqual([plan.grow, plan.ids], ["keep", "renew"]);
  const { terms } = deployOf(await core.orders.orderFor(hostId, NETWORK));
  assert.deepEqual([terms?.grow, terms?.ids], ["keep", "renew"]);
});

test("the permit is for the terms of the order: one that was changed on the way erases nothing", async () => {
  const core = await opened();
  const { hostId } = await core.hosts.register(machine(1, { contract, disks: [luks] }));
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [hostId], disk: "smallest" });
  const { terms } = deployOf(await core.orders.orderFor(hostId, NETWORK));
  assert(terms !== undefined);
  const challenge = newChallenge();
  const { permit } = await core.report(hostId, "erasing", deployId, { challenge });
  const about = {
    challenge,
    mac: machine(1).mac,
    deployId: String(deployId),
    image: "lab-debian",
    imageVersion: 1,
  };
  const check = (text: string) => checkPermit(text, permit, [core.siteKey.publicKey]);
  check(permitText({ ...about, terms }));
  for (const changed of [
    undefined,
    { ...terms, disk: "largest" },
    { ...terms, erase: "none" as const },
    { ...terms, confirmed: [...terms.confirmed, "S2: nothing"] },
    { ...terms, known: "S1: nothing" },
    { ...terms, grow: "keep" as const },
    { ...terms, ids: "renew" as const },
    { ...terms, hostName: "lab-66" },
    { disk: terms.disk, erase: terms.erase, confirmed: terms.confirmed, known: terms.known },
  ]) {
    assert.throws(() => check(permitText({ ...about, terms: changed })), { code: "ERASE_NOT_PERMITTED" });
  }
});

test("what was restored is known until the next erase begins, also when the host asks twice", async () => {
  const core = await opened();
  const { hostId } = await core.hosts.register(machine(1, { contract }));
  const restored = contentText({ ...luks, holds: [{ number: 1, kind: "ext4", label: "root" }] });
  const order = async () => {
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: [hostId] });
    return { deployId, known: deployOf(await core.orders.orderFor(hostId, NETWORK)).terms?.known };
  };
  const first = await order();
  assert.equal(first.known, "");
  const challenge = newChallenge();
  await core.report(hostId, "erasing", first.deployId, { challenge });
  await core.report(hostId, "rebooting", first.deployId);
  await core.report(hostId, "done", first.deployId, { holds: restored });
  assert.equal((await core.hosts.find(hostId)).restored, restored);

  const second = await order();
  assert.equal(second.known, restored);
  const permits: (string | undefined)[] = [];
  for (const _ of [1, 2]) permits.push((await core.report(hostId, "erasing", second.deployId, { challenge })).permit);
  assert.equal(permits[0], permits[1], "an answer that got lost is given again");
  assert.equal((await core.hosts.find(hostId)).restored, null);
  // The power was cut: what is on the disk now is no surprise.
  assert.equal(deployOf(await core.orders.orderFor(hostId, NETWORK)).terms?.known, "");
});

test("what a host says of its disk counts only with its own order, and only at its end", async () => {
  const core = await opened();
  const { hostId } = await core.hosts.register(machine(1, { contract }));
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [hostId] });
  await core.report(hostId, "receiving", deployId, { holds: "made up" });
  await core.report(hostId, "done", deployId + 1, { holds: "made up" });
  await core.report(hostId, "done", undefined, { holds: "made up" });
  assert.equal((await core.hosts.find(hostId)).restored, null);
});

test("the plan says which disk it will be, and why none", async () => {
  const core = await opened();
  const two = [
    { ...plain!, path: "/dev/sda", serial: "A", sizeBytes: 4e9 },
    { ...plain!, path: "/dev/sdb", serial: "B", sizeBytes: 8e9 },
  ];
  const { hostId } = await core.hosts.register(machine(1, { contract, disks: two }));
  const plan = async (disk?: string) =>
    (await core.deploys.plan({ image: "lab-debian", to: [hostId], disk })).hosts[0]!;
  assert.match((await plan()).warning, /it will refuse: .*sda.*it fits.*sdb.*it fits/);
  for (const [rule, path] of [
    ["smallest", "/dev/sda"],
    ["largest", "/dev/sdb"],
    ["serial=b", "/dev/sdb"],
  ] as const) {
    const { disks, warning } = await plan(rule);
    assert.deepEqual([disks.map((disk) => disk.path), warning], [[path], ""]);
  }
  assert.match((await plan("model=none*")).warning, /its model is/);
});
