import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Candidate, skipOf } from "../../../server/orders/deploy-skips.ts";
import { Core, machine, NETWORK } from "../core.ts";

const free: Candidate = {
  id: "h-1",
  name: "lab-01",
  hindrance: undefined,
  busyWith: undefined,
  noDisk: "",
  isNamed: false,
};
const locked = { kind: "locked", why: 'locked by mueller: "exam machine"' } as const;
const unapproved = { kind: "unapproved", why: "not approved by anybody yet" } as const;

const table: readonly (readonly [about: string, host: Partial<Candidate>, reason: string | undefined])[] = [
  ["a host that nothing stands against", {}, undefined],
  ["one that is locked", { hindrance: locked }, "locked"],
  ["one that is locked, even when it is named", { hindrance: locked, isNamed: true }, "locked"],
  ["one that nobody approved", { hindrance: unapproved, isNamed: true }, "unapproved"],
  ["one that is busy", { busyWith: 3, isNamed: true }, "busy"],
  ["one that is locked and busy", { hindrance: locked, busyWith: 3 }, "locked"],
  ["one of a group without a disk that fits", { noDisk: "it is too small" }, "no-disk"],
  ["one that was named without a disk that fits", { noDisk: "it is too small", isNamed: true }, undefined],
];

for (const [about, host, reason] of table) {
  test(`${about} is ${reason === undefined ? "erased" : `left alone: ${reason}`}`, () => {
    assert.equal(skipOf({ ...free, ...host })?.reason, reason);
  });
}

test("a group is ordered at once: who is locked, unapproved or without a fitting disk is left alone, and told", async () => {
  const core = await Core.open({ approve: "ask" });
  after(() => core.db.destroy());
  const [disk] = machine(0).disks;
  const ids: string[] = [];
  for (let number = 1; number <= 5; number += 1) {
    const disks = number === 4 ? [{ ...disk!, sizeBytes: 1e9 }] : number === 5 ? [] : [disk!];
    ids.push((await core.hosts.register(machine(number, { disks }))).hostId);
  }
  await core.desk.setGroup(ids, "room-b");
  await core.desk.approve([ids[0]!, ids[1]!, ids[3]!, ids[4]!]);
  await core.desk.lock([ids[1]!], { reason: "exam machine", untilMs: null });
  const { plan, deployId } = await core.deploys.create({ image: "lab-debian", to: ["room-b"] });
  assert.deepEqual(
    plan.hosts.map(({ name }) => name),
    ["lab-01"],
  );
  assert.deepEqual(
    plan.skipped.map(({ name, reason }) => [name, reason]),
    [
      ["lab-02", "locked"],
      ["lab-03", "unapproved"],
      ["lab-04", "no-disk"],
      ["lab-05", "no-disk"],
    ],
  );
  assert.match(plan.skipped[0]?.why ?? "", /locked by .*exam machine/);
  assert.match(plan.skipped[2]?.why ?? "", /too small/);
  assert.equal(plan.target, "room-b");
  assert.equal((await core.orders.orderFor(ids[0]!, NETWORK)).kind, "deploy");
  for (const id of ids.slice(1)) assert.notEqual((await core.orders.orderFor(id, NETWORK)).kind, "deploy");
  assert.equal((await core.sessions.show(deployId)).hosts.length, 1);
  await assert.rejects(core.deploys.create({ image: "lab-debian", to: ["lab-02"] }), { code: "HOST_LOCKED" });
  await assert.rejects(core.deploys.create({ image: "lab-debian", to: ["lab-03"] }), { code: "HOST_UNAPPROVED" });
  await assert.rejects(core.deploys.create({ image: "lab-debian", to: ["group=room-b"] }), { code: "HOSTS_SKIPPED" });
});

test("the word to type is the group's, where a group was ordered", async () => {
  const core = await Core.open();
  after(() => core.db.destroy());
  const ids = [];
  for (let number = 1; number <= 3; number += 1) ids.push((await core.hosts.register(machine(number))).hostId);
  await core.desk.setGroup(ids.slice(0, 2), "room-b");
  const wordFor = async (...to: string[]) => (await core.deploys.plan({ image: "lab-debian", to })).confirmation;
  assert.equal(await wordFor("room-b"), "room-b");
  assert.equal(await wordFor("group=room-b"), "2-hosts");
  assert.equal(await wordFor("room-b", "lab-03"), "3-hosts");
  assert.equal(await wordFor("lab-03"), "lab-03");
  assert.equal(await wordFor(ids[2]!), "lab-03");
});
