import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Disk } from "../../../agent/contract.ts";
import { changeOfDisk, chooseDisk, describeDisk, refusalOf } from "../../../agent/disk/choice.ts";
import { contentText } from "../../../agent/disk/content.ts";
import { parseDiskRule } from "../../../agent/disk/rule.ts";
import { LEAST_MEMORY_BYTES, preflight } from "../../../agent/preflight.ts";
import { Fault } from "../../../fault.ts";
import { diskCases } from "./disk-inventories.ts";

const need = { imageBytes: 1_000_000_000, sectorBytes: 512 };

function disk(changes: Partial<Disk> = {}): Disk {
  return {
    path: "/dev/sda",
    sizeBytes: 2_000_000_000,
    sectorBytes: 512,
    model: "Maker Model",
    serial: "S1",
    wwn: "naa.1",
    transport: "sata",
    isRemovable: false,
    isReadOnly: false,
    usedBy: [],
    ...changes,
  };
}

const refusals: { name: string; change: Partial<Disk>; why: RegExp }[] = [
  { name: "removable", change: { isRemovable: true }, why: /removable/ },
  { name: "connected by USB", change: { transport: "usb" }, why: /USB/ },
  { name: "mounted", change: { usedBy: ["/mnt"] }, why: /in use \(\/mnt\)/ },
  { name: "read-only", change: { isReadOnly: true }, why: /read-only/ },
  { name: "one byte too small", change: { sizeBytes: need.imageBytes - 1 }, why: /too small: 999999999 bytes/ },
  { name: "of other sectors", change: { sectorBytes: 4096 }, why: /4096 bytes and the image's have 512/ },
  { name: "without a medium", change: { sizeBytes: 0 }, why: /no medium/ },
];

for (const { name, change, why } of refusals) {
  test(`a disk that is ${name} is refused, and another one is taken beside it`, () => {
    const bad = disk({ path: "/dev/sdb", wwn: "naa.2", ...change });
    assert.match(refusalOf(bad, need) ?? "", why);
    assert.throws(
      () => chooseDisk([bad], need),
      (error) =>
        error instanceof Fault && error.code === "DISK_REFUSED" && why.test(error.why) && /sdb/.test(error.why),
    );
    assert.equal(chooseDisk([bad, disk()], need).path, "/dev/sda");
  });
}

test("a disk of exactly the image's size is taken", () => {
  assert.equal(chooseDisk([disk({ sizeBytes: need.imageBytes })], need).path, "/dev/sda");
});

test("with two disks that fit a person decides, and both are named", () => {
  assert.throws(
    () => chooseDisk([disk(), disk({ path: "/dev/nvme0n1", wwn: "eui.2" })], need),
    (error) => error instanceof Fault && /\/dev\/sda .*\/dev\/nvme0n1/.test(error.why),
  );
});

test("no disk at all is told as such", () => {
  assert.throws(() => chooseDisk([], need), { code: "DISK_REFUSED", message: /no disk at all/ });
});

test("a disk in words", () => {
  assert.equal(describeDisk(disk()), "/dev/sda 1.9 GiB sata Maker Model S1");
  assert.equal(describeDisk(disk({ model: "", serial: "" })), "/dev/sda 1.9 GiB sata");
});

test("another disk under the same name is noticed", () => {
  assert.equal(changeOfDisk(disk(), disk()), undefined);
  for (const change of [
    { sizeBytes: 1 },
    { serial: "S2" },
    { wwn: "naa.2" },
    { sectorBytes: 4096 },
    { usedBy: ["/mnt"] },
    { isReadOnly: true },
  ]) {
    assert.notEqual(changeOfDisk(disk(), disk(change)), undefined, JSON.stringify(change));
  }
  assert.match(changeOfDisk(disk(), undefined) ?? "", /gone/);
});

const facts = {
  disks: [disk()],
  availableMemoryBytes: LEAST_MEMORY_BYTES,
  power: "unknown",
  manifest: { diskBytes: need.imageBytes, sectorBytes: 512 },
} as const;

test("preflight passes with mains or a machine that has no battery", () => {
  assert.equal(preflight(facts).path, "/dev/sda");
  assert.equal(preflight({ ...facts, power: "mains" }).path, "/dev/sda");
});

test("preflight refuses a battery, little memory, and a disk that does not fit", () => {
  assert.throws(() => preflight({ ...facts, power: "battery" }), { code: "ON_BATTERY" });
  assert.throws(() => preflight({ ...facts, availableMemoryBytes: LEAST_MEMORY_BYTES - 1 }), { code: "MEMORY_SHORT" });
  assert.throws(() => preflight({ ...facts, manifest: { diskBytes: 3e9, sectorBytes: 512 } }), {
    code: "DISK_REFUSED",
  });
});

assert(diskCases.length >= 60);

for (const one of diskCases) {
  test(`inventory: ${one.name}`, () => {
    const asked = { imageBytes: one.imageBytes ?? 1e11, sectorBytes: one.sectorBytes ?? 512 };
    const terms = {
      rule: parseDiskRule(one.rule ?? "only"),
      confirmed: one.confirmed ?? [],
      known: one.known ?? "",
    };
    // In whatever order the kernel found them.
    for (const disks of [one.disks, one.disks.toReversed()]) {
      if (one.takes.startsWith("/")) {
        assert.equal(chooseDisk(disks, asked, terms).path, one.takes);
        continue;
      }
      assert.throws(
        () => chooseDisk(disks, asked, terms),
        (error) => {
          assert(error instanceof Fault);
          assert.equal(error.code, one.takes);
          if (error.code === "DISK_UNEXPECTED") {
            for (const why of one.why ?? []) assert.match(error.why, why);
            return true;
          }
          assert.equal(one.why?.length ?? 0, one.disks.length, "each disk has its reason in the table");
          const said = error.why.split("; ");
          for (const [index, { path }] of one.disks.entries()) {
            const line = said.find((words) => words.startsWith(`${path} `));
            assert.match(line ?? "", one.why![index]!, error.why);
          }
          return true;
        },
      );
    }
  });
}

test("whatever the machine and the rule: what is taken was allowed, and every refusal names each disk", () => {
  const anyDisk: fc.Arbitrary<Disk> = fc.record({
    path: fc.constantFrom("/dev/sda", "/dev/sdb", "/dev/nvme0n1", "/dev/mmcblk0"),
    sizeBytes: fc.constantFrom(0, 1e9, 2e9, 3e9),
    sectorBytes: fc.constantFrom(512, 4096),
    model: fc.constantFrom("", "A", "B"),
    serial: fc.constantFrom("", "S1", "S2"),
    wwn: fc.constantFrom("", "naa.1", "eui.2"),
    transport: fc.constantFrom<Disk["transport"]>("sata", "nvme", "usb", "mmc"),
    isRemovable: fc.boolean(),
    isReadOnly: fc.boolean(),
    usedBy: fc.constantFrom<string[]>([], [], ["/mnt"]),
    holds: fc.constantFrom<Disk["holds"] & object>(
      [],
      [{ number: 1, kind: "luks", label: "" }],
      [{ number: 1, kind: "ext4", label: "x" }],
    ),
    isBootMedium: fc.boolean(),
  });
  const disks = fc.uniqueArray(anyDisk, { maxLength: 4, selector: ({ path }) => path });
  const rules = fc.constantFrom("only", "smallest", "largest", "transport=usb", "serial=S1", "allow=usb|encrypted");
  fc.assert(
    fc.property(disks, rules, (all, text) => {
      const rule = parseDiskRule(text);
      try {
        const taken = chooseDisk(all, need, { rule, confirmed: [], known: "" });
        assert(taken.sizeBytes >= need.imageBytes && !taken.isReadOnly && taken.usedBy.length === 0);
        assert(taken.isBootMedium !== true && taken.sectorBytes === need.sectorBytes);
        if (taken.transport === "usb") assert(/usb/.test(text));
        if (taken.isRemovable) assert(taken.transport === "usb" && /usb/.test(text));
        if (contentText(taken).includes("luks")) assert(/encrypted/.test(text));
        if (text === "serial=S1") assert.equal(taken.serial, "S1");
      } catch (error) {
        assert(error instanceof Fault, String(error));
        if (error.code === "DISK_REFUSED") for (const { path } of all) assert(error.why.includes(`${path} `));
      }
    }),
    { numRuns: 500 },
  );
});
