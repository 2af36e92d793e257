import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import { linuxHostname } from "../../../agent/identity/linux-hostname.ts";
import type { Tools } from "../../../agent/machine/tools.ts";
import { nameVolumes } from "../../../agent/volumes/name-volumes.ts";
import { partitionPath, rereadPartitions, restoredVolumes } from "../../../agent/volumes/partitions.ts";
import { Fault } from "../../../fault.ts";
import type { Manifest } from "../../../images/manifest.ts";
import { fakeClock } from "../fake-clock.ts";
import { treeFiles } from "../machine/machine-tree.ts";

const identity = { hostName: "lab-07", mac: "52:54:00:00:00:07", hardwareUuids: [] };
const log = pino({ level: "silent" });

/** Mounting puts a small Linux root at the mount point of /dev/vda2; everything that runs is written down. */
function mounter(t: { after(end: () => void): void }, fails = "") {
  const mountDirectory = mkdtempSync(join(tmpdir(), "bootcast-mounts-"));
  t.after(() => rmSync(mountDirectory, { recursive: true, force: true }));
  const ran: string[] = [];
  const tools: Tools = {
    async run(command, args) {
      const line = [command, ...args].join(" ");
      ran.push(line.replaceAll(mountDirectory, "MNT"));
      if (fails !== "" && line.includes(fails)) throw new Error(`${command} refused`);
      if (command === "mount" && args.includes("/dev/vda2")) {
        const directory = args.at(-1)!;
        mkdirSync(join(directory, "etc"), { recursive: true });
        writeFileSync(join(directory, "etc/os-release"), "ID=debian\n");
        writeFileSync(join(directory, "etc/hostname"), "master\n");
      }
      return "";
    },
  };
  return {
    tools,
    ran,
    log,
    mountDirectory,
    name: (device: string) => join(mountDirectory, device.replaceAll("/", "_")),
  };
}

const volumes = [
  { device: "/dev/vda1", number: 1, sizeBytes: 1, fileSystem: "vfat", type: "" },
  { device: "/dev/vda2", number: 2, sizeBytes: 1, fileSystem: "ext4", type: "" },
  { device: "/dev/vda3", number: 3, sizeBytes: 1, fileSystem: "swap", type: "" },
  { device: "/dev/vda4", number: 4, sizeBytes: 1, fileSystem: "ext4", type: "" },
];

test("each volume is mounted with its own driver, changed, and unmounted before the next one", async (t) => {
  const machine = mounter(t);
  const result = await nameVolumes(volumes, [linuxHostname], identity, machine);
  assert.deepEqual(result, { changes: 2, modules: ["linux-hostname"], notes: [], systems: [volumes[1]] });
  assert.deepEqual(machine.ran, [
    "modprobe ext4",
    "mount -t ext4 -o rw,nodev,nosuid,noexec /dev/vda2 MNT/_dev_vda2",
    "umount MNT/_dev_vda2",
    "modprobe ext4",
    "mount -t ext4 -o rw,nodev,nosuid,noexec /dev/vda4 MNT/_dev_vda4",
    "umount MNT/_dev_vda4",
  ]);
  assert.equal(readFileSync(join(machine.name("/dev/vda2"), "etc/hostname"), "utf8"), "lab-07\n");
});

test("a volume is unmounted when a module fails, and the module's error is the one that is told", async (t) => {
  for (const fails of ["", "umount"]) {
    const machine = mounter(t, fails);
    const broken = { name: "broken", plan: async () => Promise.reject(new Error("the module broke")) };
    await assert.rejects(nameVolumes(volumes, [broken], identity, machine), { message: "the module broke" });
    assert.equal(machine.ran.at(-1), "umount MNT/_dev_vda2");
  }
});

test("an unmount that fails is a failure: the changes may not be on the disk", async (t) => {
  await assert.rejects(nameVolumes(volumes, [linuxHostname], identity, mounter(t, "umount")), { message: /umount/ });
});

test("a volume that cannot be mounted is a failure, and is not unmounted", async (t) => {
  const machine = mounter(t, "mount -t");
  await assert.rejects(nameVolumes(volumes, [linuxHostname], identity, machine), { message: "mount refused" });
  assert(!machine.ran.some((line) => line.startsWith("umount")));
});

test("a driver that is built in needs no module", async (t) => {
  const machine = mounter(t, "modprobe");
  assert.equal((await nameVolumes(volumes, [linuxHostname], identity, machine)).changes, 2);
});

test("an HFS+ volume that must not be written to is left alone, with the reason", async (t) => {
  const machine = mounter(t);
  const device = join(machine.mountDirectory, "volume");
  writeFileSync(device, Buffer.alloc(4096));
  const mac = { device, number: 1, sizeBytes: 4096, fileSystem: "hfsplus", type: "" };
  const result = await nameVolumes([mac], [linuxHostname], identity, machine);
  assert.deepEqual(machine.ran, []);
  assert.match(result.notes[0] ?? "", /was left as it is: it does not begin as an HFS\+ volume/);
  assert(existsSync(device));
});

const manifest = {
  scheme: "gpt",
  diskBytes: 8192,
  partitions: [
    { number: 1, startBytes: 0, sizeBytes: 10, type: "EF", label: "", fileSystem: "vfat" },
    { number: 3, startBytes: 0, sizeBytes: 20, type: "83", label: "", fileSystem: "ext4" },
  ],
} satisfies Pick<Manifest, "scheme" | "diskBytes" | "partitions">;

const ext4Disk = {
  sizeBytes: 8192,
  read: async (offset: number, length: number) => {
    const bytes = Buffer.alloc(8192);
    bytes.writeUInt16LE(0xef53, 1024 + 0x38);
    bytes.writeUInt32LE(0x40, 1024 + 0x60);
    return bytes.subarray(offset, offset + length);
  },
};

test("a mount that was stopped for being slow leaves nothing mounted behind", async (t) => {
  const machine = mounter(t);
  const run: Tools["run"] = async (command, args, options) => {
    await machine.tools.run(command, args, options);
    if (command === "mount") throw new Fault("TOOL_TIMEOUT", { what: "Slow.", why: "Slow.", fix: "None." });
    return "";
  };
  const named = nameVolumes(volumes, [linuxHostname], identity, { ...machine, tools: { run } });
  await assert.rejects(named, { code: "TOOL_TIMEOUT" });
  assert.equal(machine.ran.at(-1), "umount MNT/_dev_vda2");
});

test("the devices of partitions, also on disks whose name ends in a digit", async () => {
  assert.equal(partitionPath("/dev/sda", 2), "/dev/sda2");
  assert.equal(partitionPath("/dev/nvme0n1", 2), "/dev/nvme0n1p2");
  assert.equal(partitionPath("/dev/mmcblk0", 11), "/dev/mmcblk0p11");
  const found = await restoredVolumes("/dev/vda", manifest, ext4Disk);
  assert.deepEqual(
    found.map(({ device, fileSystem }) => [basename(device), fileSystem]),
    [
      ["vda1", "vfat"],
      ["vda3", "ext4"],
    ],
  );
});

test("an image without a partition table is one volume", async () => {
  const [volume, ...rest] = await restoredVolumes(
    "/dev/vda",
    { ...manifest, scheme: "none", partitions: [] },
    ext4Disk,
  );
  assert.deepEqual(rest, []);
  assert.equal(volume?.device, "/dev/vda");
  assert.match(volume?.fileSystem ?? "", /^ext[234]$/);
});

function machineWith(names: readonly string[], fails: () => boolean) {
  const files = Object.fromEntries(
    names.flatMap((name) => [
      [`/sys/block/vda/${name}/dev`, "1"],
      [`/dev/${name}`, ""],
    ]),
  );
  const clock = fakeClock();
  const tools: Tools = {
    async run() {
      if (fails()) throw new Error("BLKRRPART: Device or resource busy");
      return "";
    },
  };
  return { tools, files: treeFiles({ files, links: {} }), clock };
}

test("the partition table is read again until the kernel has every partition", async () => {
  let busy = 3;
  const machine = machineWith(["vda1", "vda3"], () => busy-- > 0);
  await rereadPartitions("/dev/vda", manifest, machine);
  assert.equal(machine.clock.slept.length, 3);
  await rereadPartitions(
    "/dev/vda",
    { scheme: "none", partitions: [] },
    machineWith([], () => true),
  );
});

test("a partition that does not appear ends in a fault that names it", async () => {
  const machine = machineWith(["vda1"], () => false);
  await assert.rejects(rereadPartitions("/dev/vda", manifest, machine), {
    code: "PARTITIONS_MISSING",
    message: /vda3/,
  });
  const busy = machineWith(["vda1", "vda3"], () => true);
  await assert.rejects(rereadPartitions("/dev/vda", manifest, busy), { code: "PARTITIONS_MISSING", message: /busy/ });
});
