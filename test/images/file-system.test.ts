import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { FILE_SYSTEM_PROBE_BYTES, fileSystemOf } from "../../images/file-system.ts";

// The places and bytes of blkid (util-linux, libblkid/src/superblocks) and of Apple's TN1150 and APFS reference.
const magics: readonly (readonly [name: string, at: number, bytes: string])[] = [
  ["xfs", 0, "XFSB"],
  ["btrfs", 65600, "_BHRfS_M"],
  ["f2fs", 1024, "\x10\x20\xf5\xf2"],
  ["ntfs", 0, "\xeb\x52\x90NTFS    "],
  ["exfat", 0, "\xeb\x76\x90EXFAT   "],
  ["hfsplus", 1024, "H+\0\x04"],
  ["hfsx", 1024, "HX\0\x05"],
  ["hfs", 1024, "BD"],
  ["apfs", 32, "NXSB"],
  ["swap", 4086, "SWAPSPACE2"],
  ["luks", 0, "LUKS\xba\xbe\0\x02"],
  ["bitlocker", 0, "\xeb\x58\x90-FVE-FS-"],
  ["raid", 4096, "\xfc\x4e\x2b\xa9\x01"],
  ["squashfs", 0, "hsqs"],
  ["iso9660", 32768, "\x01CD001"],
];

for (const [name, at, bytes] of magics) {
  test(`${name} is recognised by its magic, and not without`, () => {
    const start = Buffer.alloc(FILE_SYSTEM_PROBE_BYTES);
    assert.equal(fileSystemOf(start), "");
    start.write(bytes, at, "latin1");
    assert.equal(fileSystemOf(start), name);
    assert.equal(fileSystemOf(start.subarray(0, at + 1)), "");
  });
}

test("an LVM label may be in any of the first four sectors", () => {
  for (const sector of [0, 1, 2, 3]) {
    const start = Buffer.alloc(4096);
    start.write("LABELONE", sector * 512, "latin1");
    start.write("LVM2 001", sector * 512 + 24, "latin1");
    assert.equal(fileSystemOf(start), "lvm");
  }
});

test("an HFS Plus volume inside an HFS wrapper is HFS Plus", () => {
  const start = Buffer.alloc(4096);
  start.write("BD", 1024, "latin1");
  start.write("H+", 1024 + 0x7c, "latin1");
  assert.equal(fileSystemOf(start), "hfsplus");
});

test("a container counts more than what is left of an older file system behind it", () => {
  const start = Buffer.alloc(4096);
  start.writeUInt16LE(0xef53, 1080);
  start.write("LUKS\xba\xbe", 0, "latin1");
  assert.equal(fileSystemOf(start), "luks");
});

test("any bytes have a file system or none", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => typeof fileSystemOf(bytes) === "string"));
});

const makers: readonly (readonly [name: string, command: string, args: readonly string[]])[] = [
  ["ext2", "mkfs.ext2", ["-q", "-F"]],
  ["ext3", "mkfs.ext3", ["-q", "-F"]],
  ["ext4", "mkfs.ext4", ["-q", "-F"]],
  ["vfat", "mkfs.vfat", ["-F", "16"]],
  ["vfat", "mkfs.vfat", ["-F", "32"]],
  ["swap", "mkswap", ["-q"]],
  ["xfs", "mkfs.xfs", ["-q"]],
  ["btrfs", "mkfs.btrfs", ["-q"]],
  ["ntfs", "mkntfs", ["-q", "-F", "-Q"]],
  ["exfat", "mkfs.exfat", []],
  ["hfsplus", "mkfs.hfsplus", []],
];

for (const [name, command, args] of makers) {
  const isInstalled = spawnSync("sh", ["-c", `command -v ${command}`], { env: pathWithSbin() }).status === 0;
  test(`${command} ${args.join(" ")} makes what is recognised as ${name}`, {
    skip: !isInstalled && "not installed",
  }, () => {
    const directory = mkdtempSync(join(tmpdir(), "bootcast-"));
    try {
      const path = join(directory, "volume");
      writeFileSync(path, "");
      truncateSync(path, 320 << 20);
      execFileSync(command, [...args, path], { stdio: "ignore", env: pathWithSbin() });
      assert.equal(fileSystemOf(startOf(path)), name);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
}

function pathWithSbin(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
}

function startOf(path: string): Uint8Array {
  const start = new Uint8Array(FILE_SYSTEM_PROBE_BYTES);
  const file = openSync(path, "r");
  readSync(file, start);
  closeSync(file);
  return start;
}
