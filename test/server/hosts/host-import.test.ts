import assert from "node:assert/strict";
import { test } from "node:test";
import { CONTRACT_VERSION } from "../../../agent/contract.ts";
import { HostImports } from "../../../server/hosts/host-import.ts";
import type { HostRow } from "../../../server/hosts/host-list.ts";
import { Core, machine, NETWORK } from "../core.ts";

const UUID = "6f0f6a5e-9a3c-4c1d-8a44-2d4cf1c0a001";

async function site(count = 0) {
  const core = await Core.open();
  for (let number = 1; number <= count; number += 1) await core.hosts.register(machine(number));
  return { core, imports: core.hostParts().imports };
}

const row = (number: number, more: Partial<HostRow> = {}): HostRow => ({ mac: machine(number).mac, ...more });

test("a list adds hosts, changes known ones, leaves the others, and changes nothing the second time", async () => {
  const { core, imports } = await site(2);
  const rows = [
    row(2, { name: "teacher", group: "room-b", labels: ["kiosk"], note: "old", diskRule: "smallest" }),
    row(3, { name: "lab-77", group: "room-b", serial: "C03" }),
    row(4),
  ];
  const trial = await imports.import(rows, { isTrial: true });
  assert.deepEqual(
    (await core.hosts.list()).map(({ name }) => name),
    ["lab-01", "lab-02"],
  );
  const done = await imports.import(rows);
  assert.deepEqual(done, {
    added: ["lab-77", "lab-02"],
    changed: [{ name: "teacher", what: ["name", "group", "labels", "note", "diskRule"] }],
    same: 0,
    unapproved: [],
  });
  assert.deepEqual(trial.changed, done.changed);
  const hosts = await core.hosts.list();
  assert.deepEqual(
    hosts.map(({ name, group, lastSeenMs, isApproved }) => [name, group, lastSeenMs > 0, isApproved]),
    [
      ["lab-01", null, true, true],
      ["lab-02", null, false, true],
      ["lab-77", "room-b", false, true],
      ["teacher", "room-b", true, true],
    ],
  );
  const { labels, note, diskRule } = await core.hosts.find("teacher");
  assert.deepEqual([labels, note, diskRule], [["kiosk"], "old", "smallest"]);
  const events = (await core.events.list()).length;
  assert.deepEqual(await imports.import(rows), { added: [], changed: [], same: 3, unapproved: [] });
  assert.equal((await core.events.list()).length, events);
  // What is null is taken away, what is absent stays.
  await imports.import([row(2, { group: null, labels: [], note: null, diskRule: null })]);
  const now = await core.hosts.find("teacher");
  assert.deepEqual([now.group, now.labels, now.note, now.diskRule], [null, [], null, null]);
});

test("a name that the list gives to one host is given to no other by the pattern", async () => {
  const { core, imports } = await site();
  const { added } = await imports.import([row(1), row(2, { name: "LAB-01" }), row(3), row(4, { name: "lab-03" })]);
  assert.deepEqual(added, ["lab-02", "LAB-01", "lab-04", "lab-03"]);
  assert.equal((await core.hosts.list()).length, 4);
});

test("a group is spelled as it was first", async () => {
  const { core, imports } = await site(1);
  await core.desk.setGroup(["lab-01"], "Room-B");
  await imports.import([row(2, { group: "room-b" }), row(3, { group: "Kiosks" }), row(4, { group: "kiosks" })]);
  assert.deepEqual(
    (await core.hosts.list()).map(({ group }) => group),
    ["Room-B", "Room-B", "Kiosks", "Kiosks"],
  );
});

test("hosts exchange their names", async () => {
  const { core, imports } = await site(2);
  await imports.import([row(1, { name: "lab-02" }), row(2, { name: "LAB-01" })]);
  assert.equal((await core.hosts.find("lab-02")).mac, machine(1).mac);
  assert.equal((await core.hosts.find("lab-01")).mac, machine(2).mac);
});

for (const [name, rows, why] of [
  ["a name that is none", [row(3, { name: "a b" })], /cannot be a host's name/],
  ["a name of a host outside of the list", [row(3, { name: "LAB-01" })], /is the name of the host 52:54/],
  ["a name twice", [row(3, { name: "x-1" }), row(4, { name: "X-1" })], /host 1 of the list/],
  ["a host twice", [row(3), row(3, { name: "x-1" })], /same host as host 1/],
  ["a group that is none", [row(1, { group: "a b" })], /group's name/],
  ["a label that is none", [row(1, { labels: ["a b"] })], /label/],
  ["too many labels", [row(1, { labels: Array.from({ length: 33 }, (_, at) => `x${at}`) })], /more than 32/],
  ["a disk rule that is none", [row(1, { diskRule: "best" })], /rule/],
] as [string, HostRow[], RegExp][]) {
  test(`a list is refused as a whole: ${name}`, async () => {
    const { core, imports } = await site(2);
    const events = (await core.events.list()).length;
    await assert.rejects(imports.import([row(9, { name: "fine" }), ...rows]), { code: "HOST_LIST_INVALID" });
    await assert.rejects(imports.import(rows), { code: "HOST_LIST_INVALID", why });
    assert.equal((await core.events.list()).length, events);
    assert.equal((await core.hosts.list()).length, 2);
  });
}

test("more hosts than a server takes are refused, and so is another name for a host at work", async () => {
  const { core, imports } = await site(1);
  const few = new HostImports({ events: core.events, hosts: core.hosts, names: "lab-{nn}", maxHosts: 2 });
  await assert.rejects(few.import([row(2), row(3)]), { code: "HOST_LIST_FULL" });
  const { id } = await core.hosts.find("lab-01");
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  await core.report(id, "preflight", deployId);
  await assert.rejects(imports.import([row(1, { name: "other" })]), { code: "HOST_BUSY" });
});

test("an added host is the machine with its address, whatever else that shows, and keeps what was said of it", async () => {
  const { core, imports } = await site();
  const added = await imports.add(row(1, { name: "teacher", group: "room-b" }));
  assert.equal(await core.hosts.isToken(added.id, ""), false);
  core.nowMs += 1000;
  const shown = machine(1, { uuid: UUID, serial: "C02", model: "Mini", nics: [{ name: "eth0", mac: machine(7).mac }] });
  const { hostId, name } = await core.hosts.register(shown);
  assert.deepEqual([hostId, name], [added.id, "teacher"]);
  const host = await core.hosts.find("teacher");
  assert.deepEqual([host.group, host.serial, host.lastSeenMs], ["room-b", "C02", core.nowMs]);
  assert.equal((await core.events.list()).filter(({ kind }) => kind === "host.inventory").length, 0);
});

test("an added host with a serial number is no machine with another one", async () => {
  const { core, imports } = await site();
  const added = await imports.add(row(1, { name: "teacher", serial: "C02" }));
  const other = await core.hosts.register(machine(1, { uuid: UUID, serial: "C99" }));
  assert.notEqual(other.hostId, added.id);
  const right = await imports.add(row(2, { name: "right", serial: "C02" }));
  assert.equal((await core.hosts.register(machine(2, { uuid: UUID, serial: "C02" }))).hostId, right.id);
});

test("an order for an added host waits for it, and is given when it appears", async () => {
  const { core, imports } = await site();
  await imports.add(row(1, { name: "teacher" }));
  await core.deploys.create({ image: "lab-debian", to: ["teacher"] });
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "agent" });
  const { hostId } = await core.hosts.register(machine(1, { contract: CONTRACT_VERSION, uuid: UUID }));
  assert.equal((await core.orders.orderFor(hostId, NETWORK)).kind, "deploy");
});

test("a host that is known, or cannot be, is not added", async () => {
  const { imports } = await site(1);
  await assert.rejects(imports.add(row(1, { name: "x-1" })), { code: "HOST_EXISTS", why: /lab-01/ });
  await assert.rejects(imports.add(row(2, { name: "lab-01" })), { code: "HOST_INVALID", why: /lab-01/ });
  await assert.rejects(imports.add(row(2, { name: "a b" })), { code: "HOST_INVALID" });
});

test("who is new in a list is approved; who waits for approval is so only where that is asked for", async () => {
  const core = await Core.open({ approve: "ask" });
  await core.hosts.register(machine(1));
  const { imports } = core.hostParts();
  await imports.add(row(2));
  const rows = [row(1, { note: "fan" }), row(3, { name: "seen" }), row(4, { name: "unseen", isApproved: false })];
  const trial = await imports.import(rows, { isTrial: true });
  const done = await imports.import(rows);
  assert.deepEqual(done, {
    added: ["seen", "unseen"],
    changed: [{ name: "lab-01", what: ["note"] }],
    same: 0,
    unapproved: ["lab-01", "unseen"],
  });
  assert.deepEqual(trial.unapproved, done.unapproved);
  const approved = async () => (await core.hosts.list()).map(({ name, isApproved }) => [name, isApproved]);
  assert.deepEqual(await approved(), [
    ["lab-01", false],
    ["lab-02", true],
    ["seen", true],
    ["unseen", false],
  ]);
  const asked = await imports.import(rows, { approves: true });
  assert.deepEqual(asked.changed, [
    { name: "lab-01", what: ["approved"] },
    { name: "unseen", what: ["approved"] },
  ]);
  assert.deepEqual(asked.unapproved, []);
  assert((await approved()).every(([, is]) => is));
  // Nobody's approval is taken away by a list.
  assert.equal((await imports.import([row(1, { isApproved: false })])).same, 1);
});

test("a list locks hosts and unlocks none; a lock that is over locks nobody", async () => {
  const { core, imports } = await site(2);
  await core.desk.lock(["lab-02"], { reason: "exam", untilMs: null });
  const over = { reason: "long ago", untilMs: core.nowMs };
  const until = { reason: "repair", untilMs: core.nowMs + 60_000 };
  const rows = [row(1, { lock: until }), row(2, { lock: null }), row(3, { lock: over }), row(4, { lock: until })];
  assert.deepEqual((await imports.import(rows)).changed, [{ name: "lab-01", what: ["lock"] }]);
  const locks = async () => (await core.hosts.list()).map(({ lock }) => lock?.reason);
  assert.deepEqual(await locks(), ["repair", "exam", undefined, "repair"]);
  const again = [row(1, { lock: { ...until, reason: "other" } }), row(2, { lock: until })];
  assert.equal((await imports.import(again)).same, 2, "a lock that holds stays as it is");
  assert.deepEqual(await locks(), ["repair", "exam", undefined, "repair"]);
  const longer = [row(1, { lock: { reason: "for good", untilMs: null } })];
  assert.deepEqual((await imports.import(longer)).changed, [{ name: "lab-01", what: ["lock"] }]);
  assert.deepEqual((await core.hosts.find("lab-01")).lock?.untilMs, null, "a lock that ends before the list's does");
  await assert.rejects(imports.import([row(5, { lock: { reason: " ", untilMs: null } })]), {
    code: "HOST_LIST_INVALID",
  });
});

test("who is being erased cannot be locked by a list either", async () => {
  const { core, imports } = await site(1);
  const { id } = await core.hosts.find("lab-01");
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  for (const state of ["preflight", "erasing"] as const) await core.report(id, state, deployId);
  await assert.rejects(imports.import([row(1, { lock: { reason: "exam", untilMs: null } })]), { code: "HOST_BUSY" });
  assert.equal((await core.hosts.find("lab-01")).lock, null);
});
