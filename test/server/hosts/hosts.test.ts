import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isGoodUuid, isHostName, nextName, recognise } from "../../../server/hosts/host-identity.ts";
import { Hosts } from "../../../server/hosts/hosts.ts";
import { Core, machine } from "../core.ts";

const UUID = "6f0f6a5e-9a3c-4c1d-8a44-2d4cf1c0a001";
const OTHER_UUID = "6f0f6a5e-9a3c-4c1d-8a44-2d4cf1c0a002";

for (const uuid of [
  "",
  "not a uuid",
  "00000000-0000-0000-0000-000000000000",
  "ffffffff-ffff-ffff-ffff-ffffffffffff",
  "03000200-0400-0500-0006-000700080009",
]) {
  test(`the UUID "${uuid}" tells no machine apart`, () => assert.equal(isGoodUuid(uuid), false));
}
test("a real UUID does", () => assert.equal(isGoodUuid(UUID), true));

test("names fill the first gap and keep their width", () => {
  assert.equal(nextName("lab-{nn}", new Set()), "lab-01");
  assert.equal(nextName("lab-{nn}", new Set(["lab-01", "lab-03"])), "lab-02");
  assert.equal(nextName("pc{n}-a", new Set(["pc1-a"])), "pc2-a");
  const hundred = new Set(Array.from({ length: 99 }, (_, at) => `lab-${String(at + 1).padStart(2, "0")}`));
  assert.equal(nextName("lab-{nn}", hundred), "lab-100");
});

test("a name is one label, no number, and not the word any", () => {
  for (const name of ["a", "lab-07", "Teacher", "x".repeat(63)]) assert.equal(isHostName(name), true, name);
  for (const name of ["", "-a", "a-", "a.b", "a b", "any", "ANY", "12", "ä", "x".repeat(64)]) {
    assert.equal(isHostName(name), false, name);
  }
});

test("a host keeps its name by its MAC address, and gets a new token each time", async () => {
  const core = await Core.open();
  const first = await core.hosts.register(machine(1));
  const second = await core.hosts.register(machine(2));
  const again = await core.hosts.register(machine(1));
  assert.deepEqual([first.name, second.name, again.name], ["lab-01", "lab-02", "lab-01"]);
  assert.equal(again.hostId, first.hostId);
  assert.equal(await core.hosts.isToken(first.hostId, again.token), true);
  assert.equal(await core.hosts.isToken(first.hostId, first.token), false);
  assert.equal(await core.hosts.isToken(second.hostId, again.token), false);
  assert.equal(await core.hosts.isToken("h-unknown", again.token), false);
  const { token_hash } = await core.db
    .selectFrom("hosts")
    .select("token_hash")
    .where("id", "=", first.hostId)
    .executeTakeFirstOrThrow();
  assert.notEqual(token_hash, again.token);
});

test("a full list takes no new host, and the known ones as before", async () => {
  const core = await Core.open();
  const hosts = new Hosts({ db: core.db, events: core.events, names: "lab-{nn}", maxHosts: 2 });
  const first = await hosts.register(machine(1));
  await hosts.register(machine(2));
  await assert.rejects(hosts.register(machine(3)), { code: "HOST_LIST_FULL", fix: /host forget/ });
  assert.equal((await hosts.register(machine(1))).hostId, first.hostId);
  await hosts.forget("lab-02");
  assert.equal((await hosts.register(machine(3))).name, "lab-02");
});

test("a changed network card is the same host, when its board says so and it is not running", async () => {
  const core = await Core.open();
  const before = await core.hosts.register(machine(1, { uuid: UUID, serial: "S1" }));
  core.nowMs += 10 * 60_000;
  const after = await core.hosts.register(machine(9, { uuid: UUID, serial: "S1" }));
  assert.equal(after.hostId, before.hostId);
  assert.equal(await core.hosts.idOfMac(machine(1).mac), before.hostId);
  assert.equal(await core.hosts.idOfMac(machine(9).mac), before.hostId);
});

test("two machines with one UUID that run at the same time are two hosts", async () => {
  const core = await Core.open();
  const one = await core.hosts.register(machine(1, { uuid: UUID, serial: "S1" }));
  core.nowMs += 5_000;
  const two = await core.hosts.register(machine(2, { uuid: UUID, serial: "S1" }));
  assert.notEqual(two.hostId, one.hostId);
});

test("machines that a maker or a copy gave one UUID and no serial are never taken for each other", async () => {
  const core = await Core.open();
  const one = await core.hosts.register(machine(1, { uuid: UUID }));
  await core.deploys.create({ image: "lab-debian", to: [one.name] });
  core.nowMs += 24 * 3600_000;
  const two = await core.hosts.register(machine(2, { uuid: UUID }));
  assert.notEqual(two.hostId, one.hostId);
  assert.equal((await core.orders.orderFor(two.hostId, "10.77.0.1")).kind, "wait");
});

test("without UUIDs, a carried adapter is seen by serial or model, and takes no order along", async () => {
  for (const other of [{ serial: "S2" }, { model: "Laptop" }, { uuid: UUID, serial: "S1" }]) {
    const core = await Core.open();
    const first = await core.hosts.register(machine(1, { serial: "S1" }));
    await core.deploys.create({ image: "lab-debian", to: [first.name] });
    const second = await core.hosts.register(machine(1, other));
    assert.notEqual(second.hostId, first.hostId);
    assert.equal((await core.orders.orderFor(second.hostId, "10.77.0.1")).kind, "wait");
  }
});

const twoCards = [1, 2].map((number) => ({ name: `eth${number}`, mac: machine(number).mac }));

for (const uuid of [UUID, ""]) {
  test(`a machine with two cards and ${uuid === "" ? "no" : "a"} UUID is erased once by an order to any`, async () => {
    const core = await Core.open();
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: "any" });
    const first = await core.hosts.register(machine(1, { uuid, nics: twoCards }));
    assert.equal((await core.orders.orderFor(first.hostId, "10.77.0.1")).kind, "deploy");
    for (const state of ["preflight", "erasing", "rebooting", "done"] as const) {
      await core.report(first.hostId, state, deployId);
    }
    // At once: the firmware is told to start the disk by the first card, and asks by the second.
    core.nowMs += 5_000;
    if (uuid !== "") assert.deepEqual(await core.orders.bootPolicyOf(machine(2).mac), { boot: "disk" });
    const second = await core.hosts.register(machine(2, { uuid, nics: twoCards }));
    assert.equal(second.hostId === first.hostId, uuid !== "");
    assert.notEqual((await core.orders.orderFor(second.hostId, "10.77.0.1")).kind, "deploy");
    assert.deepEqual(await core.orders.bootPolicyOf(machine(2).mac), { boot: "disk" });
    // Another machine, with the adapter of the first one or not, has its turn.
    const other = machine(3, { uuid: OTHER_UUID, nics: [{ name: "eth0", mac: machine(3).mac }] });
    const third = await core.hosts.register(other);
    assert.equal((await core.orders.orderFor(third.hostId, "10.77.0.1")).kind, "deploy");
  });
}

test("a machine that was restored by name is not erased by its other card either, whatever the clock said then", async () => {
  const core = await Core.open();
  const first = await core.hosts.register(machine(1, { uuid: "", nics: twoCards }));
  await core.deploys.create({ image: "lab-debian", to: "any" });
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [first.hostId] });
  core.nowMs -= 60_000;
  for (const state of ["preflight", "erasing", "rebooting", "done"] as const) {
    await core.report(first.hostId, state, deployId);
  }
  const second = await core.hosts.register(machine(2, { uuid: "", nics: twoCards }));
  assert.notEqual(second.hostId, first.hostId);
  assert.notEqual((await core.orders.orderFor(second.hostId, "10.77.0.1")).kind, "deploy");
});

test("an adapter that was carried to another machine does not take the host's orders along", async () => {
  const core = await Core.open();
  const first = await core.hosts.register(machine(1, { uuid: UUID }));
  await core.deploys.create({ image: "lab-debian", to: [first.name] });
  const other = await core.hosts.register(machine(1, { uuid: OTHER_UUID }));
  assert.notEqual(other.hostId, first.hostId);
  assert.equal((await core.orders.orderFor(other.hostId, "10.77.0.1")).kind, "wait");
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "disk" });
});

test("whatever is known, a machine is recognised by its MAC or by its UUID, or it is new", () => {
  const uuid = fc.constantFrom("", UUID, OTHER_UUID, "00000000-0000-0000-0000-000000000000");
  const known = fc.record({
    id: fc.uuid(),
    macs: fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 2 }),
    nics: fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 2 }),
    uuid,
    serial: fc.constantFrom("", "S1"),
    model: fc.constant("PC"),
    lastSeenMs: fc.integer({ min: 0, max: 1_000_000 }),
  });
  fc.assert(
    fc.property(fc.array(known, { maxLength: 4 }), fc.constantFrom("a", "b", "d"), uuid, (hosts, mac, uuid) => {
      const found = recognise({ mac, uuid, serial: "S1", model: "PC", nics: [{ mac }] }, hosts, 1_000_000);
      if (found === undefined) return;
      assert(found.macs.includes(mac) || (isGoodUuid(uuid) && found.uuid === uuid));
      assert.equal(isGoodUuid(uuid), isGoodUuid(found.uuid), "a UUID is there always or never");
      assert(!isGoodUuid(uuid) || found.uuid === uuid, "two good UUIDs must agree");
      assert(isGoodUuid(uuid) || found.serial === "S1", "without them the serials must");
    }),
  );
});

test("hosts are found by name, id and address; a wrong name brings a suggestion", async () => {
  const core = await Core.open();
  const { hostId } = await core.hosts.register(machine(1));
  for (const word of ["lab-01", "LAB-01", hostId, machine(1).mac, machine(1).mac.toUpperCase()]) {
    assert.equal((await core.hosts.find(word)).id, hostId, word);
  }
  await assert.rejects(core.hosts.find("lab-o1"), (error: Error & { fix: string }) => /Maybe "lab-01"/.test(error.fix));
});

test("an address stands for the machine that used it last, an id for nobody else", async () => {
  const core = await Core.open();
  const first = await core.hosts.register(machine(1, { uuid: UUID }));
  const last = await core.hosts.register(machine(1, { uuid: OTHER_UUID }));
  assert.equal((await core.hosts.find(machine(1).mac)).id, last.hostId);
  await core.hosts.rename(first.name, last.hostId);
  assert.equal((await core.hosts.find(last.hostId)).id, last.hostId);
});

test("rename keeps names single and valid, and survives the next registration", async () => {
  const core = await Core.open();
  await core.hosts.register(machine(1));
  await core.hosts.register(machine(2));
  await assert.rejects(core.hosts.rename("lab-01", "LAB-02"), { code: "NAME_TAKEN" });
  await assert.rejects(core.hosts.rename("lab-01", "any"), { code: "NAME_INVALID" });
  assert.equal((await core.hosts.rename("lab-01", "teacher")).name, "teacher");
  assert.equal((await core.hosts.register(machine(1))).name, "teacher");
});

test("a host keeps its name while it carries out an order, which has that name in it", async () => {
  const core = await Core.open();
  const { hostId } = await core.hosts.register(machine(1));
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  assert.equal((await core.hosts.rename("lab-01", "teacher")).name, "teacher", "it has not begun");
  await core.report(hostId, "preflight", deployId);
  await assert.rejects(core.hosts.rename("teacher", "lab-09"), { code: "HOST_BUSY" });
  await core.report(hostId, "failed", deployId);
  assert.equal((await core.hosts.rename("teacher", "lab-09")).name, "lab-09");
});

test("a host with an open order is not forgotten; afterwards it is a new host", async () => {
  const core = await Core.open();
  const { hostId } = await core.hosts.register(machine(1));
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  await assert.rejects(core.hosts.forget("lab-01"), { code: "HOST_BUSY" });
  await core.deploys.cancel(deployId);
  await core.hosts.forget("lab-01");
  assert.deepEqual(await core.hosts.list(), []);
  assert.notEqual((await core.hosts.register(machine(1))).hostId, hostId);
  const kinds = (await core.events.list()).map(({ kind }) => kind);
  assert(kinds.includes("host.forgotten"), "events outlive the host");
});
