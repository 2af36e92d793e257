import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../fault.ts";
import { openSparseImage } from "../../images/sparse-image.ts";
import { MemoryDisk } from "./memory.ts";

const SECTOR = 512;

/** A sparse image as macOS writes one, in bands of one sector. `bands` are the disk's, in the order of the file. */
function sparseImage(diskSectors: number, bands: readonly number[]): Buffer {
  const pages: Buffer[] = [];
  let left = [...bands];
  for (let first = true; first || left.length > 0; first = false) {
    const room = first ? 1008 : 1010;
    const here = left.slice(0, room);
    left = left.slice(room);
    const page = Buffer.alloc(4096);
    page.write("sprs");
    if (first) {
      page.writeUInt32BE(3, 4);
      page.writeUInt32BE(1, 8);
      page.writeUInt32BE(1, 12);
      page.writeUInt32BE(diskSectors, 16);
      page.writeBigUInt64BE(BigInt(diskSectors), 28);
    }
    const end = Buffer.concat(pages).length + 4096 + room * SECTOR;
    if (left.length > 0) page.writeBigUInt64BE(BigInt(end), first ? 20 : 12);
    for (const [index, band] of here.entries()) page.writeUInt32BE(band + 1, (first ? 64 : 56) + index * 4);
    pages.push(page, ...here.map(sectorOf));
  }
  return Buffer.concat(pages);
}

function sectorOf(band: number): Buffer {
  return Buffer.alloc(SECTOR, `band ${band};`);
}

test("bands lie where the table says, the others are zeros", async () => {
  const { source, ranges, chunks } = await openSparseImage(new MemoryDisk(sparseImage(8, [6, 1, 2])));
  const zero = Buffer.alloc(SECTOR);
  const disk = Buffer.concat([zero, sectorOf(1), sectorOf(2), zero, zero, zero, sectorOf(6), zero]);
  assert.deepEqual(Buffer.from(await source.read(0, 8 * SECTOR)), disk);
  assert.deepEqual(Buffer.from(await source.read(1000, 2500)), disk.subarray(1000, 3500));
  assert.deepEqual(
    [...ranges()].map(({ startBytes, endBytes, state }) => [startBytes / SECTOR, endBytes / SECTOR, state]),
    [
      [0, 1, "zero"],
      [1, 2, "data"],
      [2, 3, "data"],
      [3, 6, "zero"],
      [6, 7, "data"],
      [7, 8, "zero"],
    ],
  );
  assert.deepEqual(
    [...chunks()].map(({ fileOffset }) => fileOffset),
    [4096 + 512, 4096 + 1024, 4096],
  );
});

test("a table of three pages", async () => {
  const bands = Array.from({ length: 2500 }, (_, index) => (index * 7) % 3001);
  const { source } = await openSparseImage(new MemoryDisk(sparseImage(3001, bands)));
  for (const band of [0, 7, bands[1007]!, bands[1008]!, bands[2017]!, bands[2018]!, bands[2499]!])
    assert.deepEqual(Buffer.from(await source.read(band * SECTOR, SECTOR)), sectorOf(band));
});

const refusals: readonly (readonly [string, number, number, string])[] = [
  ["version 2", 4, 2, "SPARSE_IMAGE_DAMAGED"],
  ["bands of 0 bytes", 8, 0, "SPARSE_IMAGE_DAMAGED"],
  ["bands of 2 TiB", 8, 0xffffffff, "SPARSE_IMAGE_DAMAGED"],
  ["two sizes", 16, 9, "SPARSE_IMAGE_DAMAGED"],
  ["16 EiB", 28, 0xffffffff, "SPARSE_IMAGE_DAMAGED"],
  ["a next page that goes back", 24, 64, "SPARSE_IMAGE_DAMAGED"],
  ["a next page behind the end", 24, 4096 + 1008 * 512, "SPARSE_IMAGE_TRUNCATED"],
  ["a band behind the disk's end", 64, 9, "SPARSE_IMAGE_DAMAGED"],
  ["a band twice", 64, 2, "SPARSE_IMAGE_DAMAGED"],
  ["a band that the file does not have", 80, 8, "SPARSE_IMAGE_TRUNCATED"],
];

for (const [name, at, value, code] of refusals) {
  test(`sparse image with ${name}: ${code}`, async () => {
    const bytes = sparseImage(8, [6, 1, 2]);
    bytes.writeUInt32BE(value, at);
    await assert.rejects(openSparseImage(new MemoryDisk(bytes)), { code });
  });
}

async function works(bytes: Uint8Array): Promise<boolean> {
  try {
    const { source, ranges } = await openSparseImage(new MemoryDisk(bytes));
    await source.read(0, Math.min(source.sizeBytes, 1 << 16));
    assert([...ranges()].length < 10);
    return true;
  } catch (error) {
    assert(error instanceof Fault, String(error));
    return false;
  }
}

test("every cut is refused; every turned bit is refused or opens", async () => {
  const whole = sparseImage(8, [6, 1, 2]);
  for (let length = 0; length < whole.length; length += 1) assert.equal(await works(whole.subarray(0, length)), false);
  for (let bit = 0; bit < 96 * 8; bit += 1) {
    const bytes = Buffer.from(whole);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    await works(bytes);
  }
});

test("any table opens or is refused", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 8, maxLength: 200 }), async (table) => {
      const bytes = sparseImage(8, [6, 1, 2]);
      bytes.set(table, 16);
      await works(bytes);
    }),
  );
});
