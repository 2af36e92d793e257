import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { readDiskContent } from "../../images/disk-content.ts";
import { madeVolume } from "./hfs-plus/made-volume.ts";
import { MemoryDisk } from "./memory.ts";

const MIB = 1024 * 1024;
const directory = mkdtempSync(join(tmpdir(), "bootcast-content-"));
after(() => rmSync(directory, { recursive: true }));

const contentOf = (bytes: Uint8Array, sectorBytes = 512) => readDiskContent(new MemoryDisk(bytes), sectorBytes);

/** What a tool makes of an empty file. */
function made(mebibytes: number, command: string, ...args: string[]): Buffer {
  const path = join(directory, "volume");
  writeFileSync(path, "");
  truncateSync(path, mebibytes * MIB);
  execFileSync(command, [...args, path], { stdio: "pipe" });
  const bytes = readFileSync(path);
  rmSync(path);
  return bytes;
}

const volumes: readonly (readonly [kind: string, label: string, make: () => Buffer])[] = [
  ["ext4", "lab-root", () => made(8, "mke2fs", "-q", "-F", "-t", "ext4", "-L", "lab-root")],
  ["xfs", "data", () => made(300, "mkfs.xfs", "-q", "-L", "data")],
  ["btrfs", "Träume", () => made(120, "mkfs.btrfs", "-q", "-L", "Träume")],
  ["vfat", "SYSTEM", () => made(20, "mkfs.vfat", "-F", "16", "-n", "SYSTEM")],
  ["vfat", "EFI 32", () => made(40, "mkfs.vfat", "-F", "32", "-n", "EFI 32")],
  ["vfat", "", () => made(8, "mkfs.vfat")],
  ["ntfs", "Schön & neu", () => made(8, "mkntfs", "-q", "-F", "-Q", "-L", "Schön & neu")],
  ["exfat", "Karte", () => made(8, "mkfs.exfat", "-L", "Karte")],
  ["swap", "swap1", () => made(8, "mkswap", "-q", "-L", "swap1")],
];

for (const [kind, label, make] of volumes) {
  test(`${kind} called "${label}" that fills the disk`, async () => {
    assert.deepEqual(await contentOf(make()), [{ number: 0, kind, label }]);
  });
}

test("an HFS Plus volume", async () => {
  const bytes = await madeVolume([{ path: "file", content: "x" }]);
  assert.deepEqual(await contentOf(bytes), [{ number: 0, kind: "hfsplus", label: "Test" }]);
});

/** A GPT made by sfdisk with contents put where its partitions begin. */
function partitioned(parts: readonly { type: string; name: string; content: Buffer }[]): Buffer {
  const starts = parts.map(
    (_, index) => 1 + parts.slice(0, index).reduce((sum, { content }) => sum + sizeOf(content), 0),
  );
  const total = 2 + parts.reduce((sum, { content }) => sum + sizeOf(content), 0);
  const path = join(directory, "disk");
  writeFileSync(path, "");
  truncateSync(path, total * MIB);
  const lines = parts.map(
    ({ type, name, content }, index) =>
      `start=${starts[index]! * 2048}, size=${sizeOf(content) * 2048}, type=${type}, name="${name}"`,
  );
  execFileSync("sfdisk", ["--quiet", path], { input: `label: gpt\n${lines.join("\n")}\n`, stdio: "pipe" });
  const disk = readFileSync(path);
  for (const [index, { content }] of parts.entries()) disk.set(content, starts[index]! * MIB);
  return disk;
}

const sizeOf = (content: Buffer) => Math.ceil(content.length / MIB);
const linux = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
const blank = Buffer.alloc(MIB);
const marked = (at: number, mark: string | Buffer, mebibytes = 1) => {
  const bytes = Buffer.alloc(mebibytes * MIB);
  bytes.set(Buffer.from(mark as string, typeof mark === "string" ? "latin1" : undefined), at);
  return bytes;
};

test("partitions with their names, the volume's before the table's", async () => {
  const disk = partitioned([
    { type: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", name: "EFI", content: made(8, "mkfs.vfat", "-n", "BOOT") },
    { type: linux, name: "cryptroot", content: marked(0, "LUKS\xba\xbe\0\x01") },
    { type: linux, name: "empty", content: blank },
    { type: linux, name: "pool", content: marked(512, "LABELONE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0LVM2 001") },
  ]);
  assert.deepEqual(await contentOf(disk), [
    { number: 1, kind: "vfat", label: "BOOT" },
    { number: 2, kind: "luks", label: "cryptroot" },
    { number: 3, kind: "", label: "empty" },
    { number: 4, kind: "lvm", label: "pool" },
  ]);
});

test("what a partition's type says that its content does not", async () => {
  const disk = partitioned([
    { type: "53746F72-6167-11AA-AA11-00306543ECAC", name: "a", content: blank },
    { type: "5808C8AA-7E8F-42E0-85D2-E1E90434CFB3", name: "b", content: blank },
    { type: "52414944-0000-11AA-AA11-00306543ECAC", name: "c", content: blank },
  ]);
  assert.deepEqual(
    (await contentOf(disk)).map(({ kind }) => kind),
    ["corestorage", "ldm", "raid"],
  );
});

/** What blkid, which has other eyes, calls it. */
function blkidSays(bytes: Buffer): string {
  const path = join(directory, "judged");
  writeFileSync(path, bytes);
  return execFileSync("blkid", ["--probe", "--match-tag", "TYPE", "--output", "value", path], {
    encoding: "utf8",
  }).trim();
}

test("the marks of RAIDs at a disk's end, as blkid sees them too", async () => {
  const intel = marked(4 * MIB - 1024, "Intel Raid ISM Cfg Sig. 1.3.00", 4);
  assert.equal(blkidSays(intel), "isw_raid_member");
  assert.deepEqual((await contentOf(intel))[0], { number: 0, kind: "raid", label: "" });
  // Version 0.90: magic, and major version 0 and minor version 90.
  const old = marked(4 * MIB - 65_536, Buffer.from("fc4e2ba9000000005a000000", "hex"), 4);
  assert.equal(blkidSays(old), "linux_raid_member");
  assert.equal((await contentOf(old))[0]?.kind, "raid");
  const newer = marked(4 * MIB - 8192, Buffer.from("fc4e2ba901000000", "hex"), 4);
  assert.equal((await contentOf(newer))[0]?.kind, "raid");
  const common = marked(4 * MIB - 512, Buffer.from("de11de11", "hex"), 4);
  assert.equal((await contentOf(common))[0]?.kind, "raid");
});

test("a ZFS label, and APFS with and without keys", async () => {
  assert.equal((await contentOf(marked(132 * 1024, Buffer.from("0cb1ba0000000000", "hex"))))[0]?.kind, "zfs");
  const open = marked(32, "NXSB");
  assert.equal((await contentOf(open))[0]?.kind, "apfs");
  open.writeBigUInt64LE(1n, 1304);
  assert.equal((await contentOf(open))[0]?.kind, "apfs-encrypted");
});

test("nothing, something unknown, and a table that is damaged", async () => {
  assert.deepEqual(await contentOf(blank), []);
  assert.deepEqual(await contentOf(Buffer.alloc(MIB, 0xa5)), [{ number: 0, kind: "", label: "" }]);
  const disk = partitioned([{ type: linux, name: "a", content: blank }]);
  disk.fill(1, 512, 600);
  disk.fill(1, disk.length - 512, disk.length - 400);
  assert.deepEqual(await contentOf(disk), [{ number: 0, kind: "damaged", label: "" }]);
});

test("labels from a disk that lies are at worst empty, and have no control characters", async () => {
  const good = [
    made(8, "mkntfs", "-q", "-F", "-Q", "-L", "name"),
    await madeVolume([{ path: "file", content: "x" }]),
    made(8, "mkfs.exfat", "-L", "name"),
  ];
  const byte = fc.record({ at: fc.nat(8192), value: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...good),
      fc.array(byte, { minLength: 1, maxLength: 24 }),
      async (whole, changes) => {
        const bytes = Buffer.from(whole);
        for (const { at, value } of changes) bytes[at] = value;
        for (const { label } of await contentOf(bytes)) assert.doesNotMatch(label, /\p{Cc}/u);
      },
    ),
    { numRuns: 300 },
  );
});

test("tiny disks", async () => {
  for (const length of [512, 1024, 2048, 4096, 8192, 66_000]) {
    assert.deepEqual(await contentOf(Buffer.alloc(length)), []);
  }
});
