import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { CELL_BYTES } from "../../../images/cell.ts";
import { treeFile } from "../../../images/hfs-plus/tree-builder.ts";
import { readDiskLayout } from "../../../images/partition-table.ts";
import { findUnusedCells } from "../../../images/unused-cells.ts";
import { hfsPlusVolume } from "../../../scripts/golden/hfsplus.ts";
import { MemoryDisk } from "../memory.ts";
import { readSample, samplesMissing } from "../shared-data.ts";
import { hasProgram, noise, run } from "./made-volumes.ts";
import { bytesIn, common, freeByPartclone, freeByUs } from "./partclone-oracle.ts";
import { restoreUsedOnly } from "./used-only.ts";

const noUnpacker = !hasProgram("7zz") && "not installed: 7zz";

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "bootcast-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** What another program finds in a volume: the digest of every file. */
function unpacked(image: string): Record<string, string> {
  const folder = `${image}.unpacked`;
  mkdirSync(folder);
  run("7zz", "x", "-y", "-snl-", `-o${folder}`, image);
  const files: Record<string, string> = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile())
      files[path.slice(folder.length)] = createHash("sha256").update(readFileSync(path)).digest("hex");
  }
  rmSync(folder, { recursive: true });
  return files;
}

type Spec = {
  readonly tree: readonly { readonly path: string; readonly content?: string; readonly contentHex?: string }[];
};

for (const name of ["tiger", "tigerj", "hfsx", "many"]) {
  test(`${name}: restored from used cells only, with every file of its list`, {
    skip: samplesMissing || noUnpacker,
  }, async (t) => {
    const image = join(folderOf(t), "volume");
    const volume = gunzipSync(readSample(`hfs/${name}.img.gz`));
    writeFileSync(image, volume);
    const { unused, readBytes, storedBytes } = await restoreUsedOnly(image, `${image}.restored`, { dirty: "refuse" });
    assert.deepEqual(unused.warnings, []);
    const found = unpacked(`${image}.restored`);
    assert.deepEqual(found, unpacked(image));
    const spec: Spec = JSON.parse(readSample(`hfs/${name}.json`).toString());
    const listed = spec.tree.filter(({ content, contentHex }) => content !== undefined || contentHex !== undefined);
    assert(listed.length > 5);
    for (const { path, content, contentHex } of listed) {
      const bytes = contentHex === undefined ? Buffer.from(content ?? "") : Buffer.from(contentHex, "hex");
      const key = Object.keys(found).find((one) => one.endsWith(path));
      assert.equal(found[key ?? ""], createHash("sha256").update(bytes).digest("hex"), path);
    }
    assert(
      readBytes < volume.length * 0.7 && storedBytes < volume.length / 4,
      `${readBytes} read, ${storedBytes} stored`,
    );
  });
}

for (const name of ["tiger.img", "tigerj.img", "hfsx.img", "many.img", "macos-hfsplus.raw"]) {
  const noPartclone = !hasProgram("partclone.hfsp") && "not installed: partclone.hfsp";
  test(`${name}: the same is free as for partclone`, { skip: samplesMissing || noPartclone }, async (t) => {
    const image = join(folderOf(t), "volume");
    writeFileSync(image, gunzipSync(readSample(`hfs/${name}.gz`)));
    const ours = await freeByUs(image);
    const theirs = await freeByPartclone("partclone.hfsp", image);
    assert(bytesIn(ours) > 0);
    assert.equal(bytesIn(common(ours, theirs)), bytesIn(ours));
    assert.equal(bytesIn(theirs), bytesIn(ours));
  });
}

test("a volume in a partition of a GPT", { skip: samplesMissing }, async () => {
  const disk = new MemoryDisk(gunzipSync(readSample("hfs/gpt-disk.raw.gz")));
  const { volumes, warnings, count } = await findUnusedCells(disk, await readDiskLayout(disk), { dirty: "refuse" });
  assert.deepEqual(warnings, []);
  assert.equal(volumes[0]!.fileSystem, "hfsplus");
  assert.equal(volumes[0]!.unusedBytes, count * CELL_BYTES);
  assert(count > 100);
});

const BLOCK = 4096;
const FORK_EXTENTS = 16;
const ALLOCATION_FORK = 1024 + 112;
const EXTENTS_FORK = 1024 + 192;
const text = noise("sleep", 3 << 19).toString("hex");

/** A volume of 1024 MiB would be needed for a bitmap of many blocks; this one has two, and the files below /private/var/vm. */
function volumeWithVm(): Buffer {
  return Buffer.from(
    hfsPlusVolume({
      sizeBytes: 160 << 20,
      name: "Macintosh HD",
      dateSeconds: 1_100_000_000,
      volumeId: new Uint8Array(8),
      blessed: "/System",
      entries: [
        { path: "/System" },
        { path: "/private/var/vm/sleepimage", content: text },
        { path: "/private/var/vm/other", content: noise("other", 300_000).toString("hex") },
        { path: "/private/var/vm/swapfile0", content: text.slice(0, 1 << 20) },
        { path: "/sleepimage", content: noise("not that one", 300_000).toString("hex") },
      ],
    }),
  );
}

/** The place of the fork that has these bytes, in the record of its file. */
function forkRecordOf(volume: Buffer, firstBytes: string): number {
  const block = volume.indexOf(firstBytes) / BLOCK;
  for (let at = 2 * BLOCK; ; at += 2) {
    assert(at + 8 < volume.length);
    if (volume.readUInt32BE(at) === block && volume.readUInt32BE(at + 4) === volume.readUInt32BE(at - 4))
      return at - FORK_EXTENTS;
  }
}

async function unusedOf(volume: Uint8Array, skipPageFiles: boolean) {
  const disk = new MemoryDisk(volume);
  return findUnusedCells(disk, await readDiskLayout(disk), { dirty: "refuse", skipPageFiles });
}

/** The cells behind the first 64 KiB that a stretch of a volume fills. */
function wholeCells(from: number, bytes: number): number[] {
  const cells: number[] = [];
  for (let cell = Math.ceil((from + CELL_BYTES) / CELL_BYTES); (cell + 1) * CELL_BYTES <= from + bytes; cell += 1)
    cells.push(cell);
  return cells;
}

test("swap files and the image of a sleeping Mac are left out on request, their beginnings and everything else not", async () => {
  const volume = volumeWithVm();
  const all = await unusedOf(volume, false);
  const skipped = await unusedOf(volume, true);
  const expected = [
    ...wholeCells(volume.indexOf(text.slice(0, 100)), text.length),
    ...wholeCells(volume.lastIndexOf(text.slice(0, 100)), 1 << 20),
  ];
  const more: number[] = [];
  for (let cell = 0; cell < volume.length / CELL_BYTES; cell += 1)
    if (skipped.isUnused(cell) !== all.isUnused(cell)) more.push(cell);
  assert.deepEqual(
    more,
    expected.sort((a, b) => a - b),
  );
  assert.equal(skipped.count, all.count + expected.length);
});

test("a file in more than eight pieces: the others are in the extents overflow file", async () => {
  const volume = volumeWithVm();
  const whole = await unusedOf(volume, true);
  const fork = forkRecordOf(volume, text.slice(0, 100));
  const first = volume.readUInt32BE(fork + FORK_EXTENTS);
  const count = volume.readUInt32BE(fork + FORK_EXTENTS + 4);
  const id = volume.readUInt32BE(fork - 88 + 8);
  // Twenty pieces of one block each, the last of the rest: neighbours all the same.
  const pieces = Array.from({ length: 20 }, (_, piece) => [first + piece, piece === 19 ? count - 19 : 1] as const);
  const extents = (from: number) => {
    const bytes = Buffer.alloc(64);
    for (const [index, [start, blocks]] of pieces.slice(from, from + 8).entries()) {
      bytes.writeUInt32BE(start, index * 8);
      bytes.writeUInt32BE(blocks, index * 8 + 4);
    }
    return bytes;
  };
  extents(0).copy(volume, fork + FORK_EXTENTS);
  const records = [8, 16].map((from) => {
    const key = Buffer.alloc(12);
    key.writeUInt16BE(10, 0);
    key.writeUInt32BE(id, 4);
    key.writeUInt32BE(from, 8);
    return { key, data: extents(from) };
  });
  const shape = { nodeBytes: BLOCK, nodeCount: 4, maxKeyBytes: 10, attributes: 2, keyCompareType: 0 };
  volume.set(treeFile(records, shape), volume.readUInt32BE(EXTENTS_FORK + FORK_EXTENTS) * BLOCK);
  const split = await unusedOf(volume, true);
  assert.equal(split.count, whole.count);
  // The second part of the list is lost: then where the file is is not known, and nothing of the volume is believed.
  volume.set(treeFile(records.slice(0, 1), shape), volume.readUInt32BE(EXTENTS_FORK + FORK_EXTENTS) * BLOCK);
  assert.equal((await unusedOf(volume, true)).count, 0);
});

test("an allocation file in two places", async () => {
  const volume = volumeWithVm();
  const whole = await unusedOf(volume, false);
  const bitmapAt = volume.readUInt32BE(ALLOCATION_FORK + FORK_EXTENTS);
  assert.equal(volume.readUInt32BE(ALLOCATION_FORK + FORK_EXTENTS + 4), 2);
  // Its second block moves to the first of the last cell, which is free; that it then is used, and the old place free, is noted.
  const to = volume.length / BLOCK - 32;
  const bit = (block: number) => {
    volume[bitmapAt * BLOCK + (block >> 3)]! ^= 0x80 >> (block & 7);
  };
  bit(bitmapAt + 1);
  bit(to);
  volume.copyWithin(to * BLOCK, (bitmapAt + 1) * BLOCK, (bitmapAt + 2) * BLOCK);
  volume.fill(0xff, (bitmapAt + 1) * BLOCK, (bitmapAt + 2) * BLOCK);
  for (const [index, value] of [bitmapAt, 1, to, 1].entries())
    volume.writeUInt32BE(value, ALLOCATION_FORK + FORK_EXTENTS + index * 4);
  const split = await unusedOf(volume, false);
  const cell = Math.floor((to * BLOCK) / CELL_BYTES);
  assert(whole.isUnused(cell) && !split.isUnused(cell));
  assert.equal(split.count, whole.count - 1);
});

test("an HFS Plus volume in an HFS wrapper", async () => {
  const volume = volumeWithVm();
  const plain = await unusedOf(volume, true);
  const wrapped = Buffer.alloc(volume.length + 2 * CELL_BYTES);
  volume.copy(wrapped, CELL_BYTES);
  wrapped.write("BD", 1024, "latin1");
  wrapped.writeUInt32BE(CELL_BYTES, 1024 + 0x14);
  wrapped.writeUInt16BE(64, 1024 + 0x1c);
  wrapped.write("H+", 1024 + 0x7c, "latin1");
  // It begins half a cell into the second block, so the first of the wrapper's blocks begins at half a cell.
  volume.copy(wrapped, CELL_BYTES / 2 + CELL_BYTES);
  wrapped.writeUInt16BE(1, 1024 + 0x7e);
  wrapped.writeUInt16BE(volume.length / CELL_BYTES, 1024 + 0x80);
  const found = await unusedOf(wrapped, true);
  // Half a cell on, some cells of the volume are others.
  assert(Math.abs(found.count - plain.count) < 10, `${found.count} of ${plain.count}`);
});
