import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { Fault } from "../../fault.ts";
import { readAppleMap } from "../../images/apple-map.ts";
import { readDiskLayout } from "../../images/partition-table.ts";
import { openUdif } from "../../images/udif/open-udif.ts";
import { findUnusedCells } from "../../images/unused-cells.ts";
import { MemoryDisk } from "./memory.ts";
import { readSample, samplesMissing } from "./shared-data.ts";

type Entry = { readonly type: string; readonly label: string; readonly start: number; readonly blocks: number };

/** A disk with Apple's map: entries every `entryBytes`, and block 0 says `driverBytes`. */
function appleDisk(entries: readonly Entry[], entryBytes = 512, driverBytes = entryBytes): MemoryDisk {
  const bytes = Buffer.alloc(1 << 20);
  bytes.write("ER", 0, "latin1");
  bytes.writeUInt16BE(driverBytes, 2);
  for (const [index, { type, label, start, blocks }] of entries.entries()) {
    const at = (index + 1) * entryBytes;
    bytes.write("PM", at, "latin1");
    bytes.writeUInt32BE(entries.length, at + 4);
    bytes.writeUInt32BE(start, at + 8);
    bytes.writeUInt32BE(blocks, at + 12);
    bytes.write(label, at + 16, "latin1");
    bytes.write(type, at + 48, "latin1");
  }
  return new MemoryDisk(bytes);
}

const map: Entry = { type: "Apple_partition_map", label: "Apple", start: 1, blocks: 63 };
const hfs: Entry = { type: "Apple_HFS", label: "Mac", start: 64, blocks: 100 };
const free: Entry = { type: "Apple_Free", label: "", start: 164, blocks: 12 };

for (const [entryBytes, driverBytes] of [
  [512, 512],
  [2048, 2048],
  // A CD that starts old and new Macs.
  [512, 2048],
  [4096, 4096],
] as const) {
  test(`Apple's map, entries every ${entryBytes} bytes, blocks of ${driverBytes}`, async () => {
    const layout = await readDiskLayout(appleDisk([map, hfs, free], entryBytes, driverBytes));
    assert.deepEqual([layout.scheme, layout.sectorBytes, layout.warnings], ["apm", entryBytes, []]);
    assert.deepEqual(layout.partitions, [
      {
        number: 2,
        startBytes: 64 * entryBytes,
        sizeBytes: 100 * entryBytes,
        type: "Apple_HFS",
        label: "Mac",
        fileSystem: "",
      },
    ]);
    assert.deepEqual(layout.tableRanges, [{ startBytes: 0, endBytes: 4 * entryBytes }]);
  });
}

test("Apple's map without its driver descriptor map counts, and says so; two letters alone do not", async () => {
  const disk = appleDisk([map, hfs]);
  disk.bytes.fill(0, 0, 4);
  const layout = await readDiskLayout(disk);
  assert.equal(layout.scheme, "apm");
  assert.equal(layout.warnings.length, 1);
  const stray = appleDisk([hfs]);
  stray.bytes.fill(0, 0, 4);
  assert.equal((await readDiskLayout(stray)).scheme, "none");
});

test("a partition of Apple's map behind the disk's end is refused", async () => {
  await assert.rejects(readDiskLayout(appleDisk([map, { ...hfs, blocks: 5000 }])), { code: "PARTITION_OUTSIDE" });
});

test("a disk with an MBR and Apple's map is an MBR, as for Linux", async () => {
  const disk = appleDisk([map, hfs]);
  const bytes = Buffer.from(disk.bytes.buffer);
  bytes.writeUInt16LE(0xaa55, 510);
  assert.equal((await readDiskLayout(disk)).scheme, "apm");
  bytes[446 + 4] = 0xaf;
  bytes.writeUInt32LE(64, 446 + 8);
  bytes.writeUInt32LE(100, 446 + 12);
  assert.equal((await readDiskLayout(disk)).scheme, "mbr");
});

test("any change to Apple's map gives a layout inside of the disk or a Fault", async () => {
  const change = fc.record({ at: fc.nat(4 * 512), byte: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 5 }), async (changes) => {
      const disk = appleDisk([map, hfs, free]);
      for (const { at, byte } of changes) disk.bytes[at] = byte;
      try {
        for (const { startBytes, sizeBytes } of (await readDiskLayout(disk)).partitions)
          assert(sizeBytes > 0 && startBytes + sizeBytes <= disk.sizeBytes);
      } catch (error) {
        assert(error instanceof Fault, String(error));
      }
    }),
  );
});

test("Apple's map cut anywhere is a map or none", async () => {
  const { bytes } = appleDisk([map, hfs, free]);
  for (let cut = 1; cut < 4 * 512; cut += 7) {
    const found = await readAppleMap(new MemoryDisk(bytes.subarray(0, cut)));
    assert.equal(found === undefined, cut < 4 * 512);
  }
});

for (const name of ["udro-apm-hfsplus.dmg", "udco-apm-hfsplus.dmg", "udbz-apm-hfsplus.dmg", "udzo-apm-hfsplus.dmg"]) {
  test(`${name}: Apple's map of a real disk, and what is free on its volume`, { skip: samplesMissing }, async () => {
    const image = await openUdif(new MemoryDisk(readSample(`dmg/${name}`)));
    const layout = await readDiskLayout(image.source);
    assert.equal(layout.scheme, "apm");
    assert.deepEqual(
      layout.partitions.map(({ type, fileSystem }) => [type, fileSystem]),
      [["Apple_HFS", "hfsplus"]],
    );
    const { volumes, warnings } = await findUnusedCells(image.source, layout, { dirty: "refuse" });
    assert.deepEqual(warnings, []);
    assert.equal(volumes[0]!.keptBecause, undefined);
    await image.close();
  });
}

for (const [name, fileSystem] of [
  ["udzo-mbr-fat32.dmg", "vfat"],
  ["udzo-gpt-hfsplus.dmg", "hfsplus"],
] as const) {
  test(`${name}: what is free on its volume is known`, { skip: samplesMissing }, async () => {
    const image = await openUdif(new MemoryDisk(readSample(`dmg/${name}`)));
    const { volumes } = await findUnusedCells(image.source, await readDiskLayout(image.source));
    const volume = volumes.find((one) => one.fileSystem === fileSystem)!;
    assert.equal(volume.keptBecause, undefined);
    await image.close();
  });
}

// Made by sfdisk; see partition-table.test.ts.
const vectors: readonly { name: string; sizeBytes: number; sectors: readonly (readonly [number, string])[] }[] =
  JSON.parse(readFileSync(new URL("../vectors/images/partition-tables.json", import.meta.url), "utf8")).disks;

function diskOf(name: string): MemoryDisk {
  const { sizeBytes, sectors } = vectors.find((vector) => vector.name === name)!;
  const bytes = new Uint8Array(sizeBytes);
  for (const [offset, content] of sectors) bytes.set(Buffer.from(content, "base64"), offset);
  return new MemoryDisk(bytes);
}

const gpt = "gpt, ESP and Linux";

function entryOf(disk: MemoryDisk, number: number, type: number, start: number, sectors: number): void {
  const bytes = Buffer.from(disk.bytes.buffer);
  const at = 446 + number * 16;
  bytes[at + 4] = type;
  bytes.writeUInt32LE(start, at + 8);
  bytes.writeUInt32LE(sectors, at + 12);
}

test("a hybrid MBR whose entries are partitions of the GPT is nothing to worry about", async () => {
  const disk = diskOf(gpt);
  entryOf(disk, 1, 0x83, 10_240, 20_480);
  const layout = await readDiskLayout(disk);
  assert.deepEqual([layout.scheme, layout.partitions.length, layout.warnings], ["gpt", 2, []]);
});

test("a hybrid MBR that does not fit the GPT is told", async () => {
  const disk = diskOf(gpt);
  entryOf(disk, 1, 0x83, 10_241, 20_480);
  const layout = await readDiskLayout(disk);
  assert.equal(layout.partitions.length, 2);
  assert.match(layout.warnings.join(), /Entry 2 of the MBR \(type 83\)/);
});

test("a protective entry that is not the first, has no length or the wrong one protects", async () => {
  for (const [number, start, sectors] of [
    [3, 1, 65_535],
    [0, 1, 0],
    [0, 0, 0xffff_ffff],
    [2, 1, 1],
  ] as const) {
    const disk = diskOf(gpt);
    disk.bytes.fill(0, 446, 510);
    entryOf(disk, number, 0xee, start, sectors);
    assert.equal((await readDiskLayout(disk)).scheme, "gpt");
  }
});

test("a GPT that the first sector does not announce is told", async () => {
  const disk = diskOf(gpt);
  disk.bytes.fill(0, 0, 512);
  const { scheme, warnings } = await readDiskLayout(disk);
  assert.equal(scheme, "none");
  assert.match(warnings.join(), /no protective MBR/);
});

test("the second copy of a GPT is said to have been read when the first is damaged", async () => {
  const disk = diskOf(gpt);
  disk.bytes[1024]! ^= 1;
  assert.match(
    (await readDiskLayout(disk)).warnings.join(),
    /first copy of the GPT is damaged; the second one was read/,
  );
});

test("a chain of logical partitions that ends in nothing is told", async () => {
  const disk = diskOf("mbr, primary and logical");
  const extended = 4096 * 512;
  Buffer.from(disk.bytes.buffer).writeUInt16LE(0, extended + 510);
  const { warnings, partitions } = await readDiskLayout(disk);
  assert.deepEqual(
    partitions.map(({ number }) => number),
    [1],
  );
  assert.match(warnings.join(), /chain of logical partitions is broken/);
});

test("what overlaps with another partition is all kept", { skip: samplesMissing }, async () => {
  const disk = new MemoryDisk(gunzipSync(readSample("hfs/gpt-disk.raw.gz")));
  const layout = await readDiskLayout(disk);
  const [volume] = layout.partitions;
  const inside = {
    ...volume!,
    number: 2,
    startBytes: volume!.startBytes + (4 << 20),
    sizeBytes: 1 << 20,
    fileSystem: "",
  };
  const found = await findUnusedCells(disk, { ...layout, partitions: [volume!, inside] });
  assert.equal(found.count, 0);
  assert.match(found.volumes[0]!.keptBecause!, /overlaps with partition 2/);
});
