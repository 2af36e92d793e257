import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { CELL_BYTES } from "../../images/cell.ts";
import { checkManifest } from "../../images/manifest-rules.ts";
import { decodePack } from "../../images/pack.ts";
import { placesOfPack } from "../../images/pack-places.ts";
import type { DiskLayout } from "../../images/partition-table.ts";
import { findUnusedCells } from "../../images/unused-cells.ts";
import { MemoryDisk } from "./memory.ts";
import { scanToMemory } from "./sample-disk.ts";

const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
const tools = ["mkfs.ext4", "debugfs", "e2fsck", "dumpe2fs"];
const hasTools = tools.every((tool) => spawnSync("sh", ["-c", `command -v ${tool}`], { env }).status === 0);
const skip = !hasTools && "e2fsprogs is not installed";
const directory = mkdtempSync(join(tmpdir(), "bootcast-"));
after(() => rmSync(directory, { recursive: true }));

const deleted = noise("deleted", 6 << 20);
const kept = noise("kept", 3 << 20);

/** A volume with a file that was deleted in front of one that was not. */
function makeVolume(options: readonly string[]): Buffer {
  const files = join(directory, "files");
  const volume = join(directory, "volume");
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, "deleted"), deleted);
  writeFileSync(join(files, "kept"), kept);
  writeFileSync(volume, "");
  truncateSync(volume, 24 << 20);
  execFileSync("mkfs.ext4", ["-q", "-F", ...options, "-d", files, volume], { env });
  execFileSync("debugfs", ["-w", "-R", "rm /deleted", volume], { env, stdio: "ignore" });
  const bytes = readFileSync(volume);
  rmSync(volume);
  return bytes;
}

function layoutWith(startBytes: number, sizeBytes: number, diskBytes: number): DiskLayout {
  const partition = { number: 1, startBytes, sizeBytes, type: "83", label: "", fileSystem: "ext4" };
  const tableRanges = [{ startBytes: 0, endBytes: Math.min(512, diskBytes) }];
  return { scheme: "mbr", sectorBytes: 512, partitions: [partition], tableRanges, warnings: [] };
}

const kinds: Record<string, readonly string[]> = {
  "ext4, blocks of 4096": ["-b", "4096"],
  "ext4, blocks of 1024, many groups": ["-b", "1024"],
  "ext4 without 64bit": ["-b", "4096", "-O", "^64bit"],
  "ext2, blocks of 1024": ["-b", "1024", "-O", "none,ext_attr,resize_inode,dir_index,filetype,sparse_super"],
};

for (const [name, options] of Object.entries(kinds)) {
  test(`${name}: what was deleted is not kept, and what is restored is sound`, { skip }, async () => {
    const volume = makeVolume(options);
    // Not at a multiple of a cell, as the partitions of old systems.
    const startBytes = 63 * 512;
    const bytes = new Uint8Array(startBytes + volume.length + 512);
    bytes.set(volume, startBytes);
    const disk = new MemoryDisk(bytes);
    const layout = layoutWith(startBytes, volume.length, bytes.length);
    const unused = await findUnusedCells(disk, layout);
    assert.deepEqual(unused.warnings, []);
    assert(unused.count * CELL_BYTES >= deleted.length - 4 * CELL_BYTES, `${unused.count} cells are unused`);
    const { manifest, packs } = await scanToMemory(disk, { layout, isUnused: unused.isUnused });
    checkManifest(manifest);
    const storedBytes = [...packs.values()].reduce((sum, pack) => sum + pack.bytes.length, 0);
    assert(storedBytes < volume.length - deleted.length);
    // The worst disk to restore to: whatever is not written is garbage.
    const restored = new Uint8Array(bytes.length).fill(0xa5);
    for (const { state, firstCell, count } of manifest.cells.runs())
      if (state === "zero") restored.fill(0, firstCell * CELL_BYTES, (firstCell + count) * CELL_BYTES);
    const places = placesOfPack(manifest);
    for (const [number, pack] of manifest.packs.entries()) {
      const cells = decodePack(packs.get(pack.digest)!.bytes, pack);
      for (const { index, cell } of places.get(number)) restored.set(cells[index]!, cell * CELL_BYTES);
    }
    const path = join(directory, "restored");
    writeFileSync(path, restored.subarray(startBytes, startBytes + volume.length));
    execFileSync("e2fsck", ["-f", "-n", path], { env, stdio: "pipe" });
    const content = execFileSync("debugfs", ["-R", "cat /kept", path], { env, maxBuffer: 64 << 20, stdio: "pipe" });
    assert(content.equals(kept));
  });
}

test("no more is unused than the file system says is free", { skip }, async () => {
  const volume = makeVolume(["-b", "4096"]);
  const path = join(directory, "counted");
  writeFileSync(path, volume);
  const text = execFileSync("dumpe2fs", ["-h", path], { env, stdio: "pipe", encoding: "utf8" });
  const freeBytes = Number(/^Free blocks: +(\d+)/m.exec(text)![1]) * 4096;
  const { count } = await findUnusedCells(new MemoryDisk(volume), layoutWith(0, volume.length, volume.length));
  assert(count * CELL_BYTES <= freeBytes && count * CELL_BYTES > freeBytes / 2, `${count} cells, ${freeBytes} bytes`);
});

test("a file system without a partition table is looked into, too", { skip }, async () => {
  const volume = makeVolume(["-b", "4096"]);
  const layout: DiskLayout = { ...layoutWith(0, volume.length, volume.length), scheme: "none", partitions: [] };
  assert((await findUnusedCells(new MemoryDisk(volume), layout)).count > 0);
});

test("a file system that was not unmounted keeps all its blocks, and says so", { skip }, async () => {
  const volume = makeVolume(["-b", "4096"]);
  const layout = layoutWith(0, volume.length, volume.length);
  for (const change of [
    (copy: Buffer) => copy.writeUInt32LE(copy.readUInt32LE(1024 + 96) | 0x4, 1024 + 96),
    (copy: Buffer) => copy.writeUInt16LE(0, 1024 + 58),
    (copy: Buffer) => copy.writeUInt16LE(3, 1024 + 58),
  ]) {
    const copy = Buffer.from(volume);
    change(copy);
    const { count, warnings } = await findUnusedCells(new MemoryDisk(copy), layout);
    assert.deepEqual([count, warnings.length], [0, 1]);
  }
});

test("any superblock and descriptors are believed or not, and never read outside of the volume", { skip }, async () => {
  const volume = makeVolume(["-b", "1024"]);
  const layout = layoutWith(0, volume.length, volume.length);
  const change = fc.record({ at: fc.integer({ min: 1024, max: 4096 }), byte: fc.integer({ min: 0, max: 255 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
      const saved = changes.map(({ at }) => volume[at]!);
      for (const { at, byte } of changes) volume[at] = byte;
      const { count } = await findUnusedCells(new MemoryDisk(volume), layout);
      assert(count <= volume.length / CELL_BYTES);
      for (const [index, { at }] of changes.entries()) volume[at] = saved[index]!;
    }),
    { numRuns: 200 },
  );
});

function noise(seed: string, length: number): Buffer {
  const blocks = Array.from({ length: length / 32 }, (_, at) => createHash("sha256").update(`${seed} ${at}`).digest());
  return Buffer.concat(blocks);
}
