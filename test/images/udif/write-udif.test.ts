import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { crc32, deflateSync } from "node:zlib";
import fc from "fast-check";
import type { BlockSource } from "../../../images/block.ts";
import { cellWorkHere } from "../../../images/cell-work.ts";
import type { ForeignRange } from "../../../images/foreign-image.ts";
import { openUdif } from "../../../images/udif/open-udif.ts";
import { areasOfDisk } from "../../../images/udif/write-areas.ts";
import { writeUdif } from "../../../images/udif/write-udif.ts";
import { MemoryDisk } from "../memory.ts";
import { readSample, samplesMissing } from "../shared-data.ts";

const ID = Buffer.alloc(16, 7);

async function shorter(bytes: Uint8Array): Promise<Uint8Array | undefined> {
  const packed = deflateSync(bytes, { level: 1 });
  return packed.length < bytes.length ? packed : undefined;
}

async function written(source: BlockSource, options: { ranges?: ForeignRange[]; chunksAtOnce?: number } = {}) {
  const pieces: Uint8Array[] = [];
  // A copy: the memory is used again.
  await writeUdif(source, async (bytes) => void pieces.push(Uint8Array.from(bytes)), {
    codec: "zlib",
    compress: shorter,
    memory: cellWorkHere(),
    chunksAtOnce: 3,
    segmentId: ID,
    ...options,
  });
  return Buffer.concat(pieces);
}

/** The names of the tables of a .dmg. */
const namesIn = (dmg: Buffer) =>
  [...dmg.toString("latin1").matchAll(/<key>Name<\/key>\s*<string>(.+?)</g)].map((m) => m[1]);

async function namesOf(bytes: Uint8Array) {
  const { kind, areas } = await areasOfDisk(new MemoryDisk(bytes));
  return [
    kind,
    ...areas.map(({ name, id, firstSector, sectorCount }) => `${id} ${name} ${firstSector}+${sectorCount}`),
  ];
}

function mbrDisk(sectors: number, entries: readonly [type: number, first: number, count: number][]): Buffer {
  const disk = Buffer.alloc(sectors * 512);
  for (const [index, [type, first, count]] of entries.entries()) {
    disk.writeUInt8(type, 446 + index * 16 + 4);
    disk.writeUInt32LE(first, 446 + index * 16 + 8);
    disk.writeUInt32LE(count, 446 + index * 16 + 12);
  }
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}

const HFS_PLUS = "48465300-0000-11AA-AA11-00306543ECAC";

function gptDisk(sectors: number, partitions: readonly [type: string, label: string, first: number, last: number][]) {
  const disk = mbrDisk(sectors, [[0xee, 1, sectors - 1]]);
  const table = Buffer.alloc(32 * 512);
  for (const [index, [type, label, first, last]] of partitions.entries()) {
    const hex = type.replaceAll("-", "");
    const guid = Buffer.from(hex, "hex");
    guid.subarray(0, 4).reverse();
    guid.subarray(4, 6).reverse();
    guid.subarray(6, 8).reverse();
    table.set(guid, index * 128);
    table.writeBigUInt64LE(BigInt(first), index * 128 + 32);
    table.writeBigUInt64LE(BigInt(last), index * 128 + 40);
    table.write(label, index * 128 + 56, "utf16le");
  }
  const header = (own: number, other: number, entries: number) => {
    const bytes = Buffer.alloc(512);
    bytes.write("EFI PART\0\0\x01\0", 0, "latin1");
    bytes.writeUInt32LE(92, 12);
    bytes.writeBigUInt64LE(BigInt(own), 24);
    bytes.writeBigUInt64LE(BigInt(other), 32);
    bytes.writeBigUInt64LE(BigInt(entries), 72);
    bytes.writeUInt32LE(128, 80);
    bytes.writeUInt32LE(128, 84);
    bytes.writeUInt32LE(crc32(table), 88);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 92)), 16);
    disk.set(bytes, own * 512);
    disk.set(table, entries * 512);
  };
  header(1, sectors - 1, 2);
  header(sectors - 1, 1, sectors - 33);
  return disk;
}

test("a GPT disk is cut and named as hdiutil does it", async () => {
  const disk = gptDisk(400, [
    [HFS_PLUS, "disk image", 40, 299],
    ["C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "EFI & <more>", 300, 340],
  ]);
  assert.deepEqual(await namesOf(disk), [
    "disk",
    "-1 Protective Master Boot Record (MBR : 0) 0+1",
    "0 GPT Header (Primary GPT Header : 1) 1+1",
    "1 GPT Partition Data (Primary GPT Table : 2) 2+32",
    "2  (Apple_Free : 3) 34+6",
    "3 disk image (Apple_HFS : 4) 40+260",
    "4 EFI & <more> (C12A7328-F81F-11D2-BA4B-00A0C93EC93B : 5) 300+41",
    "5  (Apple_Free : 6) 341+26",
    "6 GPT Partition Data (Backup GPT Table : 7) 367+32",
    "7 GPT Header (Backup GPT Header : 8) 399+1",
  ]);
  const dmg = await written(new MemoryDisk(disk));
  assert(namesIn(dmg).includes("EFI &amp; &lt;more&gt; (C12A7328-F81F-11D2-BA4B-00A0C93EC93B : 5)"));
  assert.equal((await openUdif(new MemoryDisk(dmg))).kind, "disk");
});

test("an MBR disk, and volumes, are named as hdiutil does it", async () => {
  const entries: [number, number, number][] = [
    [12, 1, 99],
    [7, 120, 30],
  ];
  assert.deepEqual(await namesOf(mbrDisk(200, entries)), [
    "disk",
    "-1 Master Boot Record (MBR : 0) 0+1",
    "0  (DOS_FAT_32 : 1) 1+99",
    "1  (Apple_Free : 2) 100+20",
    "2  (Windows_NTFS : 3) 120+30",
    "3  (Apple_Free : 4) 150+50",
  ]);
  const volume = (at: number, magic: string) => {
    const bytes = Buffer.alloc(65536);
    bytes.write(magic, at, "latin1");
    return namesOf(bytes);
  };
  assert.deepEqual(await volume(1024, "H+\0\x04"), ["volume", "0 whole disk (Apple_HFS : 0) 0+128"]);
  assert.deepEqual(await volume(54, "FAT16   "), ["volume", "0 whole disk (DOS_FAT_16 : 0) 0+128"]);
  assert.deepEqual(await volume(82, "FAT32   "), ["volume", "0 whole disk (DOS_FAT_32 : 0) 0+128"]);
  assert.deepEqual(await volume(0, "nothing"), ["volume", "0 whole disk (unknown partition : 0) 0+128"]);
});

test("partitions that overlap, or end behind the disk, are cut: every sector is in one table", async () => {
  const entry = fc.tuple(fc.constantFrom(5, 7, 12, 0x83, 0xaf), fc.nat(300), fc.nat(300));
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 4 }), async (entries) => {
      const { areas } = await areasOfDisk(new MemoryDisk(mbrDisk(256, entries)));
      let at = 0;
      for (const { firstSector, sectorCount } of areas) {
        assert.equal(firstSector, at);
        assert(sectorCount > 0);
        at += sectorCount;
      }
      assert.equal(at, 256);
    }),
  );
});

for (const name of ["udzo-gpt-hfsplus", "udzo-apm-hfsplus", "udzo-mbr-fat32"]) {
  test(`hdiutil's own ${name}.dmg is written again with the same tables`, {
    skip: samplesMissing,
  }, async () => {
    const theirs = readSample(`dmg/${name}.dmg`);
    const { source } = await openUdif(new MemoryDisk(theirs));
    const ours = await written(source);
    assert.deepEqual(namesIn(ours), namesIn(theirs));
    const again = await openUdif(new MemoryDisk(ours));
    await again.verify();
    for (let at = 0; at < source.sizeBytes; at += 1 << 20) {
      const length = Math.min(1 << 20, source.sizeBytes - at);
      assert(Buffer.from(await again.source.read(at, length)).equals(await source.read(at, length)));
    }
  });
}

test("what lies between partitions is kept, what is empty there is left out", async () => {
  const disk = mbrDisk(8000, [[0x83, 5000, 1000]]);
  disk.write("a boot loader", 512 * 62);
  const image = await openUdif(new MemoryDisk(await written(new MemoryDisk(disk))));
  assert(Buffer.from(await image.source.read(0, disk.length)).equals(disk));
  const states = [...image.ranges!()].map(({ startBytes, endBytes, state }) => [
    startBytes / 512,
    endBytes / 512,
    state,
  ]);
  assert.deepEqual(states, [
    [0, 2049, "data"],
    [2049, 5000, "unused"],
    [5000, 6000, "zero"],
    [6000, 8000, "unused"],
  ]);
});

const noise = randomBytes(6000 * 512);

/** Disks of 512-byte sectors in stretches, with what is known of them, which is not always all. */
const disks = fc
  .array(fc.tuple(fc.constantFrom("data", "noise", "zero", "unused", "silent"), fc.integer({ min: 1, max: 6000 })), {
    minLength: 1,
    maxLength: 8,
  })
  .map((stretches) => {
    const bytes = Buffer.alloc(stretches.reduce((sum, [, sectors]) => sum + sectors * 512, 0));
    const ranges: ForeignRange[] = [];
    let at = 0;
    for (const [what, sectors] of stretches) {
      const end = at + sectors * 512;
      if (what === "data") bytes.fill("content", at, end);
      if (what === "noise") noise.copy(bytes, at, 0, end - at);
      ranges.push({ startBytes: at, endBytes: end, state: what === "zero" || what === "unused" ? what : "data" });
      at = end;
    }
    return { bytes, ranges };
  });

test("any disk comes back, its checksums are right, and what is known to be empty is not read", async () => {
  await fc.assert(
    fc.asyncProperty(disks, async ({ bytes, ranges }) => {
      const disk = new MemoryDisk(bytes);
      const dmg = await written(disk, { ranges });
      const image = await openUdif(new MemoryDisk(dmg));
      await image.verify();
      assert(Buffer.from(await image.source.read(0, bytes.length)).equals(bytes));
      assert(dmg.equals(await written(disk, { ranges, chunksAtOnce: 1 })), "the order of packing changes nothing");
    }),
    { numRuns: 40 },
  );
});

test("an empty tebibyte that is known to be empty is written at once, and not read", async () => {
  const sizeBytes = 2 ** 40;
  const source: BlockSource = {
    sizeBytes,
    async read(at, length) {
      assert(at < 1 << 20);
      return new Uint8Array(length);
    },
  };
  const dmg = await written(source, {
    ranges: [
      { startBytes: 0, endBytes: 4096, state: "data" },
      { startBytes: 4096, endBytes: sizeBytes, state: "zero" },
    ],
  });
  assert(dmg.length < 8192);
  assert.equal((await openUdif(new MemoryDisk(dmg))).source.sizeBytes, sizeBytes);
});

test("a failure on either side ends it, also while chunks are under way", async () => {
  const disk = new MemoryDisk(Buffer.alloc(20 << 20, "full"));
  const bad = {
    sizeBytes: disk.sizeBytes,
    read: async (at: number, length: number) => {
      if (at >= 10 << 20) throw new Error("unreadable");
      return disk.read(at, length);
    },
  };
  await assert.rejects(written(bad), /unreadable/);
  const options = { codec: "zlib", chunksAtOnce: 4, segmentId: ID, memory: cellWorkHere() } as const;
  const compress = shorter;
  const full = async () => Promise.reject(new Error("full"));
  await assert.rejects(writeUdif(disk, full, { ...options, compress }), /full/);
  await assert.rejects(
    writeUdif(disk, async () => {}, { ...options, compress: full }),
    /full/,
  );
  const signal = AbortSignal.abort(new Error("stopped"));
  await assert.rejects(
    writeUdif(disk, async () => {}, { ...options, compress, signal }),
    /stopped/,
  );
  await assert.rejects(written(new MemoryDisk(Buffer.alloc(700))), { code: "IMAGE_SIZE" });
});
