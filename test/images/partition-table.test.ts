import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../fault.ts";
import { CELL_BYTES } from "../../images/cell.ts";
import { cellsOfRanges, readDiskLayout } from "../../images/partition-table.ts";
import { MemoryDisk } from "./memory.ts";

type Vector = {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sectorBytes: number;
  readonly scheme: string;
  readonly partitions: readonly unknown[];
  readonly sectors: readonly (readonly [number, string])[];
};

// Made by sfdisk; the file says how.
const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL("../vectors/images/partition-tables.json", import.meta.url), "utf8"),
).disks;

function diskOf(name: string): MemoryDisk {
  const { sizeBytes, sectors } = vectors.find((vector) => vector.name === name)!;
  const bytes = new Uint8Array(sizeBytes);
  for (const [offset, content] of sectors) bytes.set(Buffer.from(content, "base64"), offset);
  return new MemoryDisk(bytes);
}

for (const { name, scheme, sectorBytes, partitions, sizeBytes } of vectors) {
  test(`${name}: read as sfdisk reads it`, async () => {
    const layout = await readDiskLayout(diskOf(name));
    assert.deepEqual(layout.partitions, partitions);
    assert.deepEqual([layout.scheme, layout.sectorBytes, layout.warnings], [scheme, sectorBytes, []]);
    const lastCell = sizeBytes / CELL_BYTES - 1;
    assert.deepEqual(cellsOfRanges(layout.tableRanges), scheme === "gpt" ? [0, lastCell] : [0]);
  });
}

const gpt = "gpt, ESP and Linux";

test("a GPT whose first copy is damaged is read from its second, and says so", async () => {
  const disk = diskOf(gpt);
  const whole = await readDiskLayout(disk);
  disk.bytes[1024]! ^= 1;
  const layout = await readDiskLayout(disk);
  assert.deepEqual(layout.partitions, whole.partitions);
  assert.equal(layout.warnings.length, 1);
});

test("a GPT whose second copy is damaged is read, and says so", async () => {
  const disk = diskOf(gpt);
  disk.bytes[disk.sizeBytes - 500]! ^= 1;
  const layout = await readDiskLayout(disk);
  assert.equal(layout.partitions.length, 2);
  assert.equal(layout.warnings.length, 1);
});

test("a GPT of which no copy is sound is refused", async () => {
  const disk = diskOf(gpt);
  disk.bytes[600]! ^= 1;
  disk.bytes[disk.sizeBytes - 500]! ^= 1;
  await assert.rejects(readDiskLayout(disk), { code: "GPT_DAMAGED" });
});

test("the second copy of a GPT is found where the first says, in a file that grew", async () => {
  const small = diskOf(gpt);
  const grown = new MemoryDisk(new Uint8Array(small.sizeBytes + 10 * CELL_BYTES));
  grown.bytes.set(small.bytes);
  const layout = await readDiskLayout(grown);
  assert.deepEqual(layout.warnings, []);
  assert.deepEqual(cellsOfRanges(layout.tableRanges), [0, small.sizeBytes / CELL_BYTES - 1]);
});

test("a GPT without its entry in the MBR does not count", async () => {
  const disk = diskOf(gpt);
  disk.bytes[446 + 4] = 0x83;
  assert.equal((await readDiskLayout(disk)).scheme, "mbr");
  disk.bytes.fill(0, 0, 512);
  assert.deepEqual(await readDiskLayout(disk).then(({ scheme, partitions }) => [scheme, partitions]), ["none", []]);
});

test("a hybrid MBR is a GPT", async () => {
  const disk = diskOf(gpt);
  disk.bytes.copyWithin(462, 446, 462);
  disk.bytes[446 + 4] = 0x0c;
  assert.equal((await readDiskLayout(disk)).scheme, "gpt");
});

test("a file that lost its end is refused", async () => {
  const { bytes } = diskOf("mbr, primary and logical");
  await assert.rejects(readDiskLayout(new MemoryDisk(bytes.subarray(0, 10 << 20))), { code: "PARTITION_OUTSIDE" });
});

test("logical partitions that link in a circle end", async () => {
  const disk = diskOf("mbr, primary and logical");
  const extended = 4096 * 512;
  // The second entry of the first record points back to the first record.
  Buffer.from(disk.bytes.buffer).writeUInt32LE(0, extended + 446 + 16 + 8);
  const { partitions } = await readDiskLayout(disk);
  assert.deepEqual(
    partitions.map(({ number }) => number),
    [1, 5],
  );
});

test("a FAT without a partition table is no MBR, though its sector ends like one", async () => {
  const disk = new MemoryDisk(new Uint8Array(1 << 20));
  const sector = Buffer.from(disk.bytes.buffer);
  sector.write("\xeb\x58\x90MSDOS5.0", "latin1");
  sector.write("FAT32   ", 82, "latin1");
  sector.write("NO NAME boot message in the place of entries", 440, "latin1");
  sector.writeUInt16LE(0xaa55, 510);
  assert.equal((await readDiskLayout(disk)).scheme, "none");
});

test("a disk of one sector has no partitions", async () => {
  assert.equal((await readDiskLayout(new MemoryDisk(new Uint8Array(512)))).scheme, "none");
});

test("any change to a partition table gives a layout inside the disk or a Fault", async () => {
  const change = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) });
  const names = vectors.map(({ name }) => name);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...names), fc.array(change, { maxLength: 5 }), async (name, changes) => {
      const disk = diskOf(name);
      const sectors = vectors.find((vector) => vector.name === name)!.sectors;
      for (const { at, byte } of changes) disk.bytes[sectors[at % sectors.length]![0] + (at % 512)] = byte;
      try {
        const { partitions, tableRanges } = await readDiskLayout(disk);
        for (const { startBytes, sizeBytes } of partitions)
          assert(sizeBytes > 0 && startBytes + sizeBytes <= disk.sizeBytes);
        for (const { startBytes, endBytes } of tableRanges) assert(startBytes < endBytes && endBytes <= disk.sizeBytes);
      } catch (error) {
        assert(error instanceof Fault, String(error));
      }
    }),
    { numRuns: 40 },
  );
});
