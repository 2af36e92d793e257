import assert from "node:assert/strict";
import { test } from "node:test";
import type { Disk, Inventory } from "../../../agent/contract.ts";
import { inventoryChanges } from "../../../server/hosts/inventory-changes.ts";
import { inventoryHistory } from "../../../server/hosts/inventory-history.ts";
import { Core, machine } from "../core.ts";

const GIB = 2 ** 30;
const [plain] = machine(1).disks;
const disk = (more: Partial<Disk>): Disk => ({ ...plain!, model: "SSD 870", serial: "S1", transport: "sata", ...more });
const known = machine(1, {
  serial: "C02",
  memoryBytes: 8 * GIB,
  nics: [{ name: "eth0", mac: "52:54:00:00:00:01" }],
  disks: [disk({})],
});

const table: [string, Partial<Inventory>, string[]][] = [
  ["nothing", {}, []],
  ["less memory by what a kernel keeps", { memoryBytes: 8 * GIB - 40e6 }, []],
  ["half of the memory", { memoryBytes: 4 * GIB }, ["memory: 8.00 GiB -> 4.00 GiB"]],
  ["another board", { serial: "C03", model: "Mini" }, ["model: Standard PC -> Mini", "serial number: C02 -> C03"]],
  ["another boot image", { agentVersion: "9.9.9", contract: 9 }, []],
  ["other firmware settings", { firmware: "uefi" }, ["firmware: bios -> uefi"]],
  [
    "a second card",
    { nics: [...known.nics, { name: "eth1", mac: "52:54:00:00:00:99" }] },
    ["network card:  -> 52:54:00:00:00:99"],
  ],
  ["a card with another name", { nics: [{ name: "eno1", mac: "52:54:00:00:00:01", linkMegabits: 1000 }] }, []],
  ["the disk at another plug, with another content", { disks: [disk({ path: "/dev/sdb", holds: [] })] }, []],
  ["no disk", { disks: [] }, ["disk: SSD 870 S1 5.0 GB sata -> "]],
  [
    "another disk",
    { disks: [disk({ serial: "S2", sizeBytes: 2e12 })] },
    ["disk: SSD 870 S1 5.0 GB sata -> ", "disk:  -> SSD 870 S2 2.0 TB sata"],
  ],
  [
    "a stick and the medium it started from",
    { disks: [...known.disks, disk({ serial: "U", isRemovable: true }), disk({ serial: "V", isBootMedium: true })] },
    [],
  ],
];
for (const [name, more, changes] of table) {
  test(`what changed in a machine: ${name}`, () => {
    const found = inventoryChanges(known, { ...known, ...more });
    assert.deepEqual(
      found.map(({ what, from, to }) => `${what}: ${from} -> ${to}`),
      changes,
    );
  });
}

test("a machine that claims a thousand cards fills no event", () => {
  const nics = Array.from({ length: 1000 }, (_, at) => ({ name: `eth${at}`, mac: machine(at).mac }));
  assert.equal(inventoryChanges(known, { ...known, nics }).length, 50);
});

test("the history of a host's parts: what changed, when, the newest first, in pages", async () => {
  const core = await Core.open();
  const { hostId } = await core.hosts.register(known);
  await core.hosts.register(known);
  for (const gibibytes of [16, 32, 64]) {
    core.nowMs += 1000;
    await core.hosts.register({ ...known, memoryBytes: gibibytes * GIB });
  }
  const all = await inventoryHistory(core.db, hostId, { limit: 10 });
  assert.deepEqual(
    all.map(({ atMs, changes }) => [atMs, changes[0]?.to]),
    [
      [1_003_000, "64.00 GiB"],
      [1_002_000, "32.00 GiB"],
      [1_001_000, "16.00 GiB"],
    ],
  );
  const [newest] = await inventoryHistory(core.db, hostId, { limit: 1 });
  const older = await inventoryHistory(core.db, hostId, { limit: 10, before: newest?.id });
  assert.deepEqual(older, all.slice(1));
});

test("what a machine calls its parts is kept as far as people read it", () => {
  const long = "x".repeat(100_000);
  const changes = inventoryChanges(machine(1), machine(1, { serial: long, disks: [disk({ serial: long })] }));
  assert(changes.length >= 2);
  for (const { from, to } of changes) assert(from.length + to.length <= 400, `${from.length} and ${to.length}`);
});
