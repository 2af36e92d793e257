import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { readDiskLayout } from "../../../images/partition-table.ts";
import { findUnusedCells } from "../../../images/unused-cells.ts";
import { MemoryDisk } from "../memory.ts";
import { readSample, samplesMissing } from "../shared-data.ts";
import { btrfs, hasProgram, noise, run, type VolumeKind, volumeKinds } from "./made-volumes.ts";

function kindOf(name: string): VolumeKind {
  return [...volumeKinds, btrfs].find((kind) => kind.name.startsWith(name))!;
}

function emptyVolume(t: TestContext, kind: VolumeKind): string {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const image = join(directory, "volume");
  writeFileSync(image, "");
  truncateSync(image, kind.sizeBytes);
  kind.make(image);
  return image;
}

/** Refused when asked to, with a fix; otherwise all of it is kept, with a warning. */
async function assertDirty(bytes: Uint8Array, problem: RegExp): Promise<void> {
  const disk = new MemoryDisk(bytes);
  const layout = await readDiskLayout(disk);
  await assert.rejects(
    findUnusedCells(disk, layout, { dirty: "refuse" }),
    (error: Error & { code: string; fix: string }) => {
      assert.equal(error.code, "FILE_SYSTEM_DIRTY", error.stack);
      assert.match(error.message, problem);
      assert.match(error.fix, /--dirty keep/);
      return true;
    },
  );
  const { count, warnings, volumes } = await findUnusedCells(disk, layout, { skipPageFiles: true });
  assert.equal(count, 0);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, problem);
  assert.match(volumes[0]!.keptBecause!, problem);
}

async function assertClean(bytes: Uint8Array): Promise<void> {
  const disk = new MemoryDisk(bytes);
  const { warnings, count } = await findUnusedCells(disk, await readDiskLayout(disk), { dirty: "refuse" });
  assert.deepEqual(warnings, []);
  assert(count > 0);
}

// What the kernel leaves when the power goes: a copy of the volume while it is mounted, everything written.
for (const name of ["ext4", "ext3", "XFS (-b size=4096)", "btrfs"]) {
  const kind = kindOf(name);
  test(`${kind.name} whose power was cut is not believed`, { skip: kind.skip }, async (t) => {
    const image = emptyVolume(t, kind);
    kind.withFolder(image, "write", (folder) => {
      writeFileSync(join(folder, "file"), noise("power", 1 << 20));
      run("sync", join(folder, "file"));
      copyFileSync(image, `${image}.cut`);
    });
    await assertDirty(readFileSync(`${image}.cut`), /was not unmounted/);
    if (name !== "btrfs") await assertClean(readFileSync(image));
  });
}

for (const [name, at, bit] of [
  ["FAT16", 3, 0x80],
  ["FAT32", 7, 0x08],
] as const) {
  const kind = kindOf(name);
  test(`${kind.name} that was not unmounted by DOS or by Linux is not believed`, { skip: kind.skip }, async (t) => {
    const bytes = readFileSync(emptyVolume(t, kind));
    await assertClean(bytes);
    const reserved = bytes.readUInt16LE(14) * 512;
    const entry = reserved + at;
    bytes[entry]! &= ~bit;
    await assertDirty(bytes, /was not unmounted/);
    bytes[entry]! |= bit;
    bytes[entry]! &= ~(bit >> 1);
    await assertDirty(bytes, /met errors of its disk/);
    bytes[entry]! |= bit >> 1;
    bytes[name === "FAT32" ? 65 : 37] = 1;
    await assertDirty(bytes, /was not unmounted/);
  });
}

test("exFAT that was not unmounted is not believed", { skip: kindOf("exFAT").skip }, async (t) => {
  const bytes = readFileSync(emptyVolume(t, kindOf("exFAT")));
  await assertClean(bytes);
  bytes[106] = 2;
  await assertDirty(bytes, /was not unmounted/);
  bytes[106] = 4;
  await assertDirty(bytes, /met errors/);
});

test("NTFS that is marked dirty is not believed", { skip: kindOf("NTFS").skip }, async (t) => {
  const image = emptyVolume(t, kindOf("NTFS"));
  await assertClean(readFileSync(image));
  // It plans a check by Windows.
  run("ntfsfix", image);
  await assertDirty(readFileSync(image), /was not unmounted by Windows/);
  run("ntfsfix", "-d", image);
  await assertClean(readFileSync(image));
});

test("NTFS with a hibernated Windows is not believed", { skip: kindOf("NTFS").skip }, async (t) => {
  const kind = kindOf("NTFS");
  const image = emptyVolume(t, kind);
  const content = noise("hibernated", 1 << 20);
  const write = (magic: string) => {
    content.write(magic, 0, "latin1");
    kind.withFolder(image, "write", (folder) => writeFileSync(join(folder, "hiberfil.sys"), content));
  };
  write("hibr");
  await assertDirty(readFileSync(image), /hibernated/);
  // ntfs-3g mounts a hibernated one only for reading; its own tool takes the file away.
  mkdirSync(`${image}.mounted`);
  run("ntfs-3g", "-o", "remove_hiberfile", image, `${image}.mounted`);
  run("umount", `${image}.mounted`);
  rmSync(`${image}.mounted`, { recursive: true });
  write("wake");
  await assertClean(readFileSync(image));
});

test("NTFS whose log is open is not believed", { skip: kindOf("NTFS").skip }, async (t) => {
  const bytes = readFileSync(emptyVolume(t, kindOf("NTFS")));
  const page = bytes.indexOf("RSTR", 0, "latin1");
  // mkntfs leaves an emptied log, all ones: this is one of Windows that was never closed.
  const log = page === -1 ? logOf(bytes) : page;
  const restart = Buffer.alloc(4096);
  restart.write("RSTR", 0, "latin1");
  restart.writeUInt16LE(30, 4);
  restart.writeUInt16LE(9, 6);
  restart.writeUInt16LE(64, 24);
  restart.writeUInt16LE(0, 64 + 12);
  restart.copy(bytes, log);
  await assertDirty(bytes, /was not unmounted by Windows/);
  bytes.writeUInt16LE(2, log + 64 + 14);
  await assertClean(bytes);
  bytes.writeUInt16LE(0, log + 64 + 14);
  bytes.writeUInt16LE(0xffff, log + 64 + 12);
  await assertClean(bytes);
});

/** The first run of $LogFile, file 2, in a volume that mkntfs made. */
function logOf(bytes: Buffer): number {
  const cluster = bytes.readUInt8(13) * bytes.readUInt16LE(11);
  const record = Number(bytes.readBigUInt64LE(48)) * cluster + 2 * 1024;
  for (let at = record + bytes.readUInt16LE(record + 20); ; at += bytes.readUInt32LE(at + 4)) {
    if (bytes.readUInt32LE(at) !== 0x80) continue;
    const runs = at + bytes.readUInt16LE(at + 32);
    const lengthBytes = bytes[runs]! & 0xf;
    return bytes.readUIntLE(runs + 1 + lengthBytes, bytes[runs]! >> 4) * cluster;
  }
}

test("HFS Plus that was not unmounted, is inconsistent, or has a journal to replay is not believed", {
  skip: samplesMissing,
}, async () => {
  const original = gunzipSync(readSample("hfs/tigerj.img.gz"));
  await assertClean(original);
  const changed = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(original);
    change(bytes);
    return bytes;
  };
  const header = 1024;
  await assertDirty(
    changed((bytes) => (bytes[header + 6]! &= ~1)),
    /was not unmounted/,
  );
  await assertDirty(
    changed((bytes) => (bytes[header + 6]! |= 8)),
    /inconsistent/,
  );
  await assertDirty(
    changed((bytes) => (bytes[header + 51]! ^= 1)),
    /of its blocks are free/,
  );
  const journal = original.indexOf("JNLx", 4096, "latin1");
  assert(journal > 0);
  await assertDirty(
    changed((bytes) => (bytes[journal + 15]! ^= 2)),
    /journal that is not empty/,
  );
});

test("swap with the memory of a hibernated Linux is not believed; without, only its header is kept", {
  skip: !hasProgram("mkswap") && "not installed: mkswap",
}, async (t) => {
  const swap: VolumeKind = { ...kindOf("ext4"), sizeBytes: 16 << 20, make: (image) => run("mkswap", image) };
  const bytes = readFileSync(emptyVolume(t, swap));
  const disk = new MemoryDisk(bytes);
  const { count } = await findUnusedCells(disk, await readDiskLayout(disk), { dirty: "refuse" });
  assert.equal(count, (16 << 20) / 65536 - 1);
  bytes.write("S1SUSPEND\0", 4086, "latin1");
  await assertDirty(bytes, /hibernated Linux/);
});
