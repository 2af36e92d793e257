import assert from "node:assert/strict";
import type { Stats } from "node:fs";
import { test } from "node:test";
import type { MachineFiles } from "../../../agent/machine/machine-files.ts";
import { refuseSourceInUse } from "../../../cli/image/source-in-use.ts";
import type { Fault } from "../../../fault.ts";

// A disk sda with two partitions (8:0, 8:1, 8:2), a volume vg-home (dm-0, 253:0) on sda2, and a loop device of disk.raw.
const sda = "/sys/devices/pci0/block/sda";
const idle: Readonly<Record<string, string>> = {
  [`${sda}/dev`]: "8:0",
  [`${sda}/sda1/dev`]: "8:1",
  [`${sda}/sda1/partition`]: "1",
  [`${sda}/sda2/dev`]: "8:2",
  [`${sda}/sda2/partition`]: "2",
  "/proc/self/mountinfo": "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
  "/proc/swaps": "Filename Type Size Used Priority\n/dev/vda2 partition 1 0 -2",
};
const withVolume = {
  ...idle,
  [`${sda}/sda2/holders/dm-0`]: "",
  "/sys/block/dm-0/dev": "253:0",
  "/sys/block/dm-0/dm/name": "vg-home",
};
const loop = { "/sys/block/loop3/dev": "7:3", "/sys/block/loop3/loop/backing_file": "/srv/disk.raw" };
const mounted = (...lines: string[]) => ({
  "/proc/self/mountinfo": [idle["/proc/self/mountinfo"], ...lines].join("\n"),
});

function machine(tree: Readonly<Record<string, string>>): MachineFiles {
  return {
    bytes: (path) => (tree[path] === undefined ? undefined : Buffer.from(tree[path])),
    text: (path) => tree[path] ?? "",
    list: (path) => {
      const below = Object.keys(tree).filter((name) => name.startsWith(`${path}/`));
      return [...new Set(below.map((name) => name.slice(path.length + 1).split("/")[0]!))].sort();
    },
    link: (path) => {
      if (path === "/sys/dev/block/8:0") return "../../devices/pci0/block/sda";
      if (path === "/sys/dev/block/8:1") return "../../devices/pci0/block/sda/sda1";
      return "";
    },
  };
}

const disk = { isBlockDevice: () => true, rdev: 0x800 } as Stats;
const partition = { isBlockDevice: () => true, rdev: 0x801 } as Stats;
const file = { isBlockDevice: () => false, dev: 0xfe00, ino: 77 } as Stats;

const cases: readonly [name: string, Stats, Readonly<Record<string, string>>, why: RegExp | undefined][] = [
  ["an idle disk", disk, idle, undefined],
  ["an idle file", file, idle, undefined],
  [
    "its partition is mounted",
    disk,
    { ...idle, ...mounted("30 22 8:1 / /mnt/a\\040b rw - ext4 /dev/sda1 rw") },
    /^\/dev\/sda1 is mounted at \/mnt\/a b\.$/,
  ],
  [
    "mounted by name only (Btrfs)",
    disk,
    { ...idle, ...mounted("30 22 0:44 / /data rw - btrfs /dev/sda2 rw") },
    /sda2 is mounted at \/data\./,
  ],
  [
    "the other partition is mounted",
    partition,
    { ...idle, ...mounted("30 22 8:2 / /data rw - ext4 /dev/sda2 rw") },
    undefined,
  ],
  [
    "it is the running system's",
    disk,
    { ...idle, ...mounted("30 22 8:1 / / rw - ext4 /dev/sda1 rw") },
    /mounted at \/\./,
  ],
  [
    "the system swaps to it",
    disk,
    { ...idle, "/proc/swaps": "Filename\n/dev/sda1 partition 9 0 -2" },
    /swaps to \/dev\/sda1/,
  ],
  [
    "a logical volume on it is mounted",
    disk,
    { ...withVolume, ...mounted("30 22 253:0 / /home rw - xfs /dev/mapper/vg-home rw") },
    /^\/dev\/mapper\/vg-home is mounted at \/home\.$/,
  ],
  ["a logical volume is made of it", disk, withVolume, /vg-home \(LVM, RAID or encryption\) is made of \/dev\/sda2\./],
  [
    "a file's loop device is mounted",
    file,
    { ...idle, ...loop, ...mounted("30 22 7:3 / /mnt rw - ext4 /dev/loop3 rw") },
    /loop3 is mounted at \/mnt\./,
  ],
  ["a file has a loop device", file, { ...idle, ...loop }, /^\/dev\/loop3 is made of it, and can be written to\.$/],
  ["a file has a read-only loop device", file, { ...idle, ...loop, "/sys/block/loop3/ro": "1" }, undefined],
  [
    "a file is swapped to",
    file,
    { ...idle, "/proc/swaps": "Filename\n/srv/disk.raw file 9 0 -2" },
    /swaps to \/srv\/disk\.raw/,
  ],
  [
    "a virtual machine runs from it",
    file,
    { ...idle, "/proc/locks": "1: OFDLCK ADVISORY  READ -1 fe:00:77 100 101" },
    /has locked it/,
  ],
  [
    "another file is locked",
    file,
    { ...idle, "/proc/locks": "1: OFDLCK ADVISORY  READ -1 fe:00:777 100 101" },
    undefined,
  ],
];

for (const [name, found, tree, why] of cases) {
  test(`source in use: ${name}: ${why === undefined ? "taken" : "refused"}`, () => {
    const path = found === file ? "/srv/disk.raw" : "/dev/sda";
    const check = () => refuseSourceInUse(path, found, machine(tree));
    if (why === undefined) return assert.doesNotThrow(check);
    assert.throws(check, (error: Fault) => error.code === "SOURCE_IN_USE" && why.test(error.why));
  });
}

test("source in use: holders that hold each other come to an end", () => {
  const circle = { ...withVolume, "/sys/block/dm-0/holders/dm-0": "" };
  assert.throws(() => refuseSourceInUse("/dev/sda", disk, machine(circle)), { code: "SOURCE_IN_USE" });
});
