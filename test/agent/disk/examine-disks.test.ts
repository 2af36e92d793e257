import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { pino } from "pino";
import type { Disk } from "../../../agent/contract.ts";
import { isBootPartition, partitionOfLoadOption } from "../../../agent/disk/boot-medium.ts";
import { readDisks } from "../../../agent/disk/disks.ts";
import { examineDisks } from "../../../agent/disk/examine-disks.ts";
import { failureOf, healthQuestion } from "../../../agent/disk/health.ts";
import { placeOfDisk } from "../../../agent/disk/place.ts";
import { type Tools, tools } from "../../../agent/machine/tools.ts";
import { machineTree, treeFiles } from "../machine/machine-tree.ts";

const log = pino({ level: "silent" });
const directory = mkdtempSync(join(tmpdir(), "bootcast-examine-"));
after(() => rmSync(directory, { recursive: true }));

const nothing = treeFiles({ files: {}, links: {} });
const noTools: Tools = { run: async () => assert.fail("no tool is needed") };

function diskFile(name: string, bytes: Buffer, more: Partial<Disk> = {}): Disk {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return {
    ...{ path, sizeBytes: bytes.length, sectorBytes: 512, model: "", serial: name, wwn: "" },
    ...{ transport: "virtio", isRemovable: false, isReadOnly: false, usedBy: [], ...more },
  };
}

test("what disks hold is read from them, and nothing is written", async () => {
  const path = join(directory, "made");
  writeFileSync(path, "");
  truncateSync(path, 8 * 1024 * 1024);
  execFileSync("mke2fs", ["-q", "-F", "-t", "ext4", "-L", "root", path], { stdio: "pipe" });
  const whole = readFileSync(path);
  const [full, blank, empty] = [
    diskFile("a", whole),
    diskFile("b", Buffer.alloc(65_536)),
    diskFile("c", Buffer.alloc(0)),
  ];
  const found = await examineDisks([full, blank, empty], { files: nothing, tools: noTools, log });
  assert.deepEqual(
    found.map(({ holds }) => holds),
    [[{ number: 0, kind: "ext4", label: "root" }], [], undefined],
  );
  assert(readFileSync(full.path).equals(whole));
});

test("a disk that does not answer takes one of Node's threads, and no more however often it is asked", async () => {
  const path = join(directory, "silent");
  // Opening it for reading waits until somebody opens it for writing.
  execFileSync("mkfifo", [path]);
  const silent = { ...diskFile("g", Buffer.alloc(4096)), path };
  const blank = diskFile("h", Buffer.alloc(65_536));
  for (let times = 0; times < 6; times += 1) {
    const found = await examineDisks([silent], { files: nothing, tools: noTools, log }, 5);
    assert.match(found[0]?.failing ?? "", /cannot be read \(it did not answer within/);
  }
  // Files are still read: with all four threads waiting this would not end.
  const [seen] = await examineDisks([blank], { files: nothing, tools: noTools, log });
  assert.deepEqual(seen?.holds, []);
  // It answers: what was begun ends, as a disk that cannot be read.
  execFileSync("sh", ["-c", `: > ${path}`]);
});

test("a disk that cannot be read is told as failing, and does not hold up the others", async () => {
  const short = { ...diskFile("d", Buffer.alloc(4096)), sizeBytes: 1024 * 1024 };
  const gone = { ...short, path: join(directory, "gone") };
  const blank = diskFile("e", Buffer.alloc(65_536));
  const found = await examineDisks([short, gone, blank], { files: nothing, tools: noTools, log });
  assert.match(found[0]?.failing ?? "", /cannot be read/);
  assert.match(found[1]?.failing ?? "", /cannot be read/);
  assert.deepEqual(found[2]?.holds, []);
});

test("a medium of ours is known by its name", async () => {
  const path = join(directory, "stick");
  writeFileSync(path, "");
  truncateSync(path, 4 * 1024 * 1024);
  execFileSync("mkfs.vfat", ["-n", "BOOTCAST", path], { stdio: "pipe" });
  const [stick] = await examineDisks([diskFile("f", readFileSync(path))], { files: nothing, tools: noTools, log });
  assert.equal(stick?.isBootMedium, true);
});

/** A load option (UEFI 2.10, 3.1.3): attributes, length, description, and a device path of a PCI and a hard drive node. */
function loadOption(node: Buffer): Buffer {
  const description = Buffer.from("bootcast stick\0", "utf16le");
  const pci = Buffer.from("010106000014", "hex");
  const path = Buffer.concat([pci, node, Buffer.from("7fff0400", "hex")]);
  const head = Buffer.alloc(6);
  head.writeUInt32LE(1);
  head.writeUInt16LE(path.length, 4);
  return Buffer.concat([head, description, path]);
}

function hardDrive(signature: Buffer, signatureType: number, number = 1): Buffer {
  const node = Buffer.alloc(42);
  node.set([4, 1, 42, 0]);
  node.writeUInt32LE(number, 4);
  node.set(signature, 24);
  node[40] = signatureType;
  node[41] = signatureType;
  return node;
}

const guid = "1C2D3E4F-5A6B-7C8D-9E0F-112233445566";
const guidBytes = Buffer.from("4f3e2d1c6b5a8d7c9e0f112233445566", "hex");

test("the partition that the firmware started from, by GPT and by MBR; a network entry has none", () => {
  const gpt = partitionOfLoadOption(loadOption(hardDrive(guidBytes, 2)));
  assert.deepEqual(gpt, { guid });
  assert(isBootPartition(guid.toLowerCase(), gpt));
  assert(!isBootPartition("", gpt) && !isBootPartition(guid, undefined));
  const mbr = partitionOfLoadOption(loadOption(hardDrive(Buffer.from("78563412", "hex"), 1, 2)));
  assert(isBootPartition("12345678-02", mbr) && !isBootPartition("12345678-01", mbr));
  const network = Buffer.from("030b2500525400000007".padEnd(74, "0"), "hex");
  assert.equal(partitionOfLoadOption(loadOption(network)), undefined);
});

test("any load option is read or is none", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      partitionOfLoadOption(bytes);
    }),
  );
  const whole = loadOption(hardDrive(guidBytes, 2));
  for (let cut = 0; cut < whole.length - 4; cut += 1)
    assert.equal(partitionOfLoadOption(whole.subarray(0, cut)), undefined);
});

test("the disk that UEFI started from is found by its partition's GUID, as partx reads it", async () => {
  const path = join(directory, "gpt");
  writeFileSync(path, "");
  truncateSync(path, 8 * 1024 * 1024);
  const input = `label: gpt\nsize=2048, uuid=${guid}\n`;
  execFileSync("sfdisk", ["--quiet", path], { input, stdio: "pipe" });
  const disks = [diskFile("g", readFileSync(path)), diskFile("h", Buffer.alloc(65_536))];
  const variable = (name: string, value: Buffer) => [
    `/sys/firmware/efi/efivars/${name}-8be4df61-93ca-11d2-aa0d-00e098032b8c`,
    Buffer.concat([Buffer.from("06000000", "hex"), value]).toString("latin1"),
  ];
  const files = Object.fromEntries([
    variable("BootCurrent", Buffer.from("0a00", "hex")),
    variable("Boot000A", loadOption(hardDrive(guidBytes, 2))),
  ]);
  const found = await examineDisks(disks, { files: treeFiles({ files, links: {} }), tools, log });
  assert.deepEqual(
    found.map(({ isBootMedium }) => isBootMedium ?? false),
    [true, false],
  );
});

const port = { "/sys/devices/pci0000:00/0000:00:1f.2/ata3/ata_port/ata3/port_no": "1\n" };
const places: readonly (readonly [string, string, string])[] = [
  ["virtio", "../devices/pci0000:00/0000:00:04.0/virtio1/block/vda", "pci-0000:00:04.0"],
  ["virtio behind a bridge", "../devices/pci0000:00/0000:00:02.1/0000:02:00.0/virtio1/block/vda", "pci-0000:02:00.0"],
  ["SATA", "../devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0/block/sda", "pci-0000:00:1f.2-ata-1"],
  ["NVMe", "../devices/pci0000:00/0000:00:1d.0/0000:02:00.0/nvme/nvme0/nvme0n1", "pci-0000:02:00.0-nvme-1"],
  [
    "USB",
    "../devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0/host4/target4:0:0/4:0:0:0/block/sdb",
    "pci-0000:00:14.0-usb-0:4:1.0-scsi-0:0:0:0",
  ],
  [
    "a hub",
    "../devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2/1-4.2:1.0/host4/target4:0:0/4:0:0:0/block/sdb",
    "pci-0000:00:14.0-usb-0:4.2:1.0-scsi-0:0:0:0",
  ],
  ["virtual", "../devices/virtual/block/loop0", ""],
  ["no link", "", ""],
];
for (const [name, link, place] of places) {
  test(`where a disk is connected: ${name}`, () => {
    assert.equal(placeOfDisk(treeFiles({ files: port, links: {} }), link), place);
  });
}

test("holders have the name that people gave them, and flash says that it is worn out", () => {
  const tree = machineTree("ahci-uefi");
  tree.files["/sys/block/dm-0/dm/name"] = "vg0-root\n";
  const [sda] = readDisks(treeFiles(tree));
  assert.equal(sda?.usedBy.at(-1), "/dev/dm-0 vg0-root");
  const laptop = machineTree("nvme-laptop");
  laptop.files["/sys/block/mmcblk0/device/pre_eol_info"] = "0x03\n";
  const card = readDisks(treeFiles(laptop)).find(({ path }) => path === "/dev/mmcblk0");
  assert.match(card?.failing ?? "", /worn out/);
});

test("SMART is asked without opening a disk for writing, and only its own bit is a failure", async () => {
  const sata = diskFile("i", Buffer.alloc(512), { path: "/dev/sda", transport: "sata" });
  const nvme: Disk = { ...sata, path: "/dev/nvme0n1", transport: "nvme" };
  assert.deepEqual(healthQuestion(sata), ["--health", "--device=ata", "/dev/sda"]);
  assert.deepEqual(healthQuestion(nvme), ["--health", "--device=nvme", "/dev/nvme0"]);
  for (const transport of ["scsi", "usb", "virtio", "mmc", "other"] as const) {
    assert.equal(healthQuestion({ path: "/dev/sda", transport }), undefined);
  }
  for (const [code, fails] of [
    [8, true],
    [9, true],
    [2, false],
    [4, false],
    ["ENOENT", false],
  ] as const) {
    const asked: Tools = { run: async () => Promise.reject(new Error("smartctl", { cause: { code } })) };
    assert.equal((await failureOf(sata, asked)) !== undefined, fails, String(code));
  }
  assert.equal(await failureOf(sata, { run: async () => "PASSED" }), undefined);
});
