import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { CELL_BYTES } from "../../images/cell.ts";
import { KnownPacks } from "../../images/known-packs.ts";
import { ID_BYTES, isTableCell, type Manifest, packCellCount, tablePacks } from "../../images/manifest.ts";
import { checkManifest } from "../../images/manifest-rules.ts";
import { decodePack } from "../../images/pack.ts";
import { placesOfPack } from "../../images/pack-places.ts";
import { type PackReader, rawFilePacks } from "../../images/pack-reader.ts";
import type { ScanProgress } from "../../images/scan.ts";
import { MemoryDisk } from "./memory.ts";
import { layoutWithTable, sampleDisk, sampleDisks, scanToMemory } from "./sample-disk.ts";

/** Writes the packs in the order `order` onto a blank disk. */
async function restore(manifest: Manifest, reader: PackReader, order: readonly number[]): Promise<Uint8Array> {
  const disk = new Uint8Array(manifest.diskBytes);
  const places = placesOfPack(manifest);
  for (const number of order) {
    const pack = manifest.packs[number]!;
    const cells = decodePack(await reader.read(pack, number), pack);
    for (const { index, cell } of places.get(number)) disk.set(cells[index]!, cell * CELL_BYTES);
  }
  return disk;
}

/** Reads packs into memory that had something in it. */
function throughMemory(packs: PackReader): PackReader {
  return {
    async read(pack, number) {
      const target = new Uint8Array(pack.storedBytes).fill(0xaa);
      await packs.readInto!(pack, number, target);
      return target;
    },
  };
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}

test("any disk comes back from its packs in any order, from packs and from the raw file", async () => {
  const cases = sampleDisks.chain((disk) => {
    const cells = Math.ceil(disk.sizeBytes / CELL_BYTES);
    const table = fc.uniqueArray(fc.nat({ max: cells - 1 }), { maxLength: 3 }).map((some) => [0, ...some]);
    return fc.tuple(fc.constant(disk), table, fc.infiniteStream(fc.nat()));
  });
  await fc.assert(
    fc.asyncProperty(cases, async ([disk, tableCells, random]) => {
      const { manifest, reader } = await scanToMemory(disk, { layout: layoutWithTable(tableCells) });
      checkManifest(manifest);
      const order = manifest.packs.map((_, pack) => pack);
      order.sort(() => (random.next().value % 3) - 1);
      const want = digestOf(disk.bytes);
      assert.equal(digestOf(await restore(manifest, reader, order)), want);
      const raw = rawFilePacks(disk, manifest);
      assert.equal(digestOf(await restore(manifest, raw, order)), want);
      assert.equal(digestOf(await restore(manifest, throughMemory(raw), order)), want);
    }),
    { numRuns: 60 },
  );
});

test("equal cells are stored once, zero cells not at all", async () => {
  const { manifest } = await scanToMemory(sampleDisk("?ab0ab00a"), { layout: layoutWithTable([0]) });
  assert.deepEqual(manifest.packs.map(packCellCount), [2, 1]);
  assert.deepEqual(
    [...manifest.cells.runs()].map(({ state, count }) => `${count} ${state}`),
    ["1 data", "2 data", "1 zero", "2 data", "2 zero", "1 data"],
  );
});

test("packs are filled in disk order and end at every MiB", async () => {
  const { manifest } = await scanToMemory(sampleDisk("?".repeat(40)));
  assert.deepEqual(manifest.packs.map(packCellCount), [15, 16, 8, 1]);
  const places = placesOfPack(manifest);
  assert.deepEqual(
    places.get(1).map(({ cell }) => cell),
    Array.from({ length: 16 }, (_, index) => 16 + index),
  );
});

test("a change on the disk leaves the packs of all other places as they were", async () => {
  const before = await scanToMemory(sampleDisk(`a00${"?".repeat(60)}`));
  const after = await scanToMemory(sampleDisk(`ab0${"?".repeat(60)}`));
  const isNew = after.manifest.packs.map(({ digest }) => !before.packs.has(digest));
  assert.deepEqual(isNew, [true, false, false, false, false]);
});

test("packs that are known already are used as they are, whatever they were compressed with", async () => {
  const disk = sampleDisk("?".repeat(60));
  const first = await scanToMemory(disk, { codec: "stored" });
  disk.bytes[20 * CELL_BYTES]! ^= 1;
  const known = new KnownPacks(first.manifest);
  const second = await scanToMemory(disk, { codec: "zstd", findPack: async (cellIds) => known.find(cellIds) });
  assert.equal(second.packs.size, 1);
  checkManifest(second.manifest);
  const packs = new Map([...first.packs, ...second.packs]);
  const reader = { read: async ({ digest }: { digest: string }) => packs.get(digest)!.bytes };
  const restored = await restore(second.manifest, reader, [...second.manifest.packs.keys()]);
  assert.equal(digestOf(restored), digestOf(disk.bytes));
});

test("packs of which enough is left are used whole, and only the rest is packed anew", async () => {
  const disk = sampleDisk("?".repeat(64));
  const layout = layoutWithTable([0]);
  const first = await scanToMemory(disk, { layout });
  // Two cells of the first MiB, most of the second, all of the third change.
  for (const cell of [3, 9, ...range(16, 30), ...range(32, 48)]) disk.bytes[cell * CELL_BYTES]! ^= 1;
  const reused: string[] = [];
  const known = new KnownPacks(first.manifest);
  const reuse = {
    packsHolding: (cellIds: Uint8Array) => known.packsHolding(cellIds),
    onReuse: async ({ digest }: { digest: string }) => void reused.push(digest),
  };
  const second = await scanToMemory(disk, { codec: "stored", layout, reuse });
  const digests = first.manifest.packs.map(({ digest }) => digest);
  assert.deepEqual(reused, [digests[0], digests[3]]);
  assert.deepEqual(
    second.manifest.packs.map(({ digest, cellIds }) => [digests.indexOf(digest), cellIds.length / ID_BYTES]),
    [
      [0, 15],
      [-1, 2],
      [-1, 16],
      [-1, 16],
      [3, 16],
      [4, 1],
    ],
  );
  checkManifest(second.manifest);
  assert.deepEqual(second.manifest.root, (await scanToMemory(disk, { layout })).manifest.root);
  const packs = new Map([...first.packs, ...second.packs]);
  const reader = { read: async ({ digest }: { digest: string }) => packs.get(digest)!.bytes };
  const restored = await restore(second.manifest, reader, [...second.manifest.packs.keys()]);
  assert.equal(digestOf(restored), digestOf(disk.bytes));
});

test("any change over any disk, scanned with what is known, restores to the same bytes", async () => {
  await fc.assert(
    fc.asyncProperty(sampleDisks, fc.array(fc.nat(79), { maxLength: 30 }), async (disk, changed) => {
      const first = await scanToMemory(disk, { layout: layoutWithTable([0]) });
      for (const cell of changed) if (cell * CELL_BYTES < disk.bytes.length) disk.bytes[cell * CELL_BYTES]! ^= 1;
      const known = new KnownPacks(first.manifest);
      const reuse = { packsHolding: (ids: Uint8Array) => known.packsHolding(ids), onReuse: async () => undefined };
      const second = await scanToMemory(disk, { layout: layoutWithTable([0]), codec: "stored", reuse });
      checkManifest(second.manifest);
      const packs = new Map([...first.packs, ...second.packs]);
      const reader = { read: async ({ digest }: { digest: string }) => packs.get(digest)!.bytes };
      const restored = await restore(second.manifest, reader, [...second.manifest.packs.keys()]);
      assert.equal(digestOf(restored), digestOf(disk.bytes));
    }),
    { numRuns: 25 },
  );
});

test("the partition table is in packs of its own at the end, cell 0 in the last one", async () => {
  const disk = sampleDisk(`a${"?".repeat(20)}aa`, 512);
  const { manifest } = await scanToMemory(disk, { layout: layoutWithTable([0, 21, 22]) });
  assert.deepEqual(manifest.tableCells, [0, 21, 22]);
  assert.deepEqual(tablePacks(manifest), [2, 3]);
  const places = placesOfPack(manifest);
  assert.deepEqual(places.get(2), [
    { index: 0, cell: 21 },
    { index: 1, cell: 22 },
  ]);
  assert.deepEqual(places.get(3), [{ index: 0, cell: 0 }]);
  assert(isTableCell(manifest, 22) && !isTableCell(manifest, 20));
});

test("a cell equal to one of the partition table is stored for itself", async () => {
  const { manifest } = await scanToMemory(sampleDisk("aba"), { layout: layoutWithTable([0]) });
  assert.deepEqual(
    placesOfPack(manifest)
      .get(0)
      .map(({ cell }) => cell),
    [1, 2],
  );
});

test("unused cells are not kept, the partition table always is", async () => {
  const { manifest } = await scanToMemory(sampleDisk("abc"), {
    layout: layoutWithTable([0]),
    isUnused: (cell) => cell < 2,
  });
  assert.deepEqual(
    [...manifest.cells.runs()].map(({ state }) => state),
    ["data", "unused", "data"],
  );
});

test("a disk of zeros needs no packs", async () => {
  const { manifest, packs } = await scanToMemory(sampleDisk("0".repeat(50)));
  assert.deepEqual([packs.size, manifest.packs.length, manifest.cells.runCount], [0, 0, 1]);
  checkManifest(manifest);
});

test("progress ends at the whole disk and counts what is new", async () => {
  const seen: ScanProgress[] = [];
  const disk = sampleDisk(`a0b${"a".repeat(60)}`);
  await scanToMemory(disk, { layout: layoutWithTable([0]), onProgress: (progress) => seen.push(progress) });
  assert.equal(seen.at(-1)?.doneBytes, disk.sizeBytes);
  assert.equal(seen.at(-1)?.newBytes, 2 * CELL_BYTES);
  assert(seen.every(({ doneBytes }, at) => at === 0 || doneBytes > seen[at - 1]!.doneBytes));
});

test("no pack is kept any more when a scan that failed is over", async () => {
  let open = 0;
  const failing = scanToMemory(sampleDisk("?".repeat(200)), {
    onPack: async ({ cellIds }) => {
      open += 1;
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
      if (cellIds[0]! > 100) throw new Error("disk full");
    },
  });
  await assert.rejects(failing, { message: "disk full" });
  assert.equal(open, 0);
});

test("a scan stops when it is told to", async () => {
  const controller = new AbortController();
  const scanning = scanToMemory(sampleDisk("?".repeat(200)), {
    signal: controller.signal,
    onProgress: () => controller.abort(new Error("stop")),
  });
  await assert.rejects(scanning, { message: "stop" });
});

test("an error of the disk is the error of the scan", async () => {
  const disk = sampleDisk("?".repeat(100));
  const broken = new MemoryDisk(disk.bytes);
  broken.read = async (offset, length) => {
    if (offset + length > 80 * CELL_BYTES) throw new Error("I/O error");
    return disk.read(offset, length);
  };
  await assert.rejects(scanToMemory(broken), { message: "I/O error" });
});

test("a raw file that changed after the scan is noticed", async () => {
  const disk = sampleDisk("?".repeat(20));
  const { manifest } = await scanToMemory(disk);
  disk.bytes[5 * CELL_BYTES + 77]! ^= 1;
  const reader = rawFilePacks(disk, manifest);
  await assert.rejects(reader.read(manifest.packs[0]!, 0), { code: "SOURCE_CHANGED" });
  await reader.read(manifest.packs[1]!, 1);
});

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
