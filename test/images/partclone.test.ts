import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../fault.ts";
import { openPartclone } from "../../images/partclone.ts";
import { MemoryDisk } from "./memory.ts";
import { diskOf, type PartcloneParts, partcloneV1, partcloneV2, reseal } from "./partclone-images.ts";

const parts: PartcloneParts = { blockBytes: 512, map: "xx..x.xxxxxxxxxxxx..........x.x", blocksPerChecksum: 4 };

const images: Readonly<Record<string, readonly [Buffer, PartcloneParts]>> = {
  "version 2": [partcloneV2(parts), parts],
  "without checksums": [partcloneV2({ ...parts, blocksPerChecksum: 0 }), parts],
  "checksums that go on": [partcloneV2({ ...parts, isReseeded: false }), parts],
  "one checksum a block": [partcloneV2({ ...parts, blocksPerChecksum: 1 }), parts],
  "a device longer than its file system": [
    partcloneV2({ ...parts, deviceBytes: 40960 }),
    { ...parts, deviceBytes: 40960 },
  ],
  "version 1": [partcloneV1(parts, 4), parts],
  "version 1 with checksums of 8 bytes": [partcloneV1(parts, 8), parts],
};

for (const [name, [bytes, of]] of Object.entries(images)) {
  test(`partclone, ${name}: reads as the disk, and verifies`, async () => {
    const image = await openPartclone(new MemoryDisk(bytes));
    const disk = diskOf(of);
    assert.equal(image.format, "partclone ntfs");
    assert.equal(image.source.sizeBytes, disk.length);
    assert.deepEqual(Buffer.from(await image.source.read(0, disk.length)), disk);
    for (const [offset, length] of [
      [0, 1],
      [511, 2],
      [1000, 3000],
      [disk.length - 1, 1],
      [2300, 8000],
    ] as const)
      assert.deepEqual(Buffer.from(await image.source.read(offset, length)), disk.subarray(offset, offset + length));
    const done: number[] = [];
    await image.verify((doneBytes, totalBytes) => done.push(doneBytes / totalBytes));
    assert.equal(done.at(-1), 1);
    // What ranges and chunks say is what is there.
    let at = 0;
    for (const { startBytes, endBytes, state } of image.ranges!()) {
      assert.equal(startBytes, at);
      at = endBytes;
      if (state !== "data") assert(disk.subarray(startBytes, endBytes).every((byte) => byte === 0));
    }
    assert.equal(at, disk.length);
    let kept = 0;
    for (const { startBytes, lengthBytes, fileOffset } of image.chunks!()) {
      kept += lengthBytes;
      assert.deepEqual(
        bytes.subarray(fileOffset, fileOffset + lengthBytes),
        disk.subarray(startBytes, startBytes + lengthBytes),
      );
    }
    assert.equal(kept, 17 * 512);
  });
}

test("a turned bit of the content is found: on reading where each checksum stands alone, else on verifying", async () => {
  for (const [bytes] of Object.values(images).slice(0, 4)) {
    const bad = Buffer.from(bytes);
    bad[bad.length - 600]! ^= 4;
    const image = await openPartclone(new MemoryDisk(bad));
    const hasChecksums = bytes !== images["without checksums"]![0];
    if (!hasChecksums) continue;
    await assert.rejects(image.verify(), { code: "PARTCLONE_CHECKSUM" });
    if (bytes !== images["checksums that go on"]![0])
      await assert.rejects(image.source.read(0, image.source.sizeBytes), { code: "PARTCLONE_CHECKSUM" });
  }
});

const refusals: readonly (readonly [string, (image: Buffer) => void, string])[] = [
  ["header's checksum", (image) => image.writeUInt8(1, 20), "PARTCLONE_DAMAGED"],
  ["version 3", (image) => reseal(image).write("0003", 30), "PARTCLONE_KIND"],
  ["big-endian", (image) => image.writeUInt16LE(0xdec0, 34), "PARTCLONE_KIND"],
  ["16 EiB", (image) => image.writeBigUInt64LE(2n ** 64n - 1n, 52), "PARTCLONE_DAMAGED"],
  ["2^50 blocks", (image) => image.writeBigUInt64LE(2n ** 50n, 60), "PARTCLONE_DAMAGED"],
  ["2^40 blocks, all unused", (image) => image.writeBigUInt64LE(2n ** 40n, 60), "PARTCLONE_KIND"],
  ["blocks of 4 GiB", (image) => image.writeUInt32LE(0xffffffff, 84), "PARTCLONE_DAMAGED"],
  ["blocks of 0 bytes", (image) => image.writeUInt32LE(0, 84), "PARTCLONE_DAMAGED"],
  ["no blocks", (image) => image.writeBigUInt64LE(0n, 60), "PARTCLONE_DAMAGED"],
  ["other number of used blocks", (image) => image.writeBigUInt64LE(16n, 76), "PARTCLONE_DAMAGED"],
  ["more used blocks than the file has", (image) => image.writeBigUInt64LE(31n, 76), "PARTCLONE_TRUNCATED"],
  ["other bitmap", (image) => image.writeUInt8(8, 105), "PARTCLONE_KIND"],
  ["checksums of 4000 bytes", (image) => image.writeUInt16LE(4000, 98), "PARTCLONE_DAMAGED"],
  ["bitmap's checksum", (image) => image.writeUInt8(0, 110), "PARTCLONE_DAMAGED"],
];

for (const [name, damage, code] of refusals) {
  test(`partclone, ${name}: ${code}`, async () => {
    const image = partcloneV2(parts);
    damage(image);
    if (!name.includes("checksum of the header") && name !== "header's checksum") reseal(image);
    await assert.rejects(openPartclone(new MemoryDisk(image)), { code });
  });
}

test("checksums of a newer kind: it reads, and says that it cannot be verified", async () => {
  const image = partcloneV2(parts);
  image.writeUInt16LE(0x40, 96);
  const opened = await openPartclone(new MemoryDisk(reseal(image)));
  assert.deepEqual(Buffer.from(await opened.source.read(0, 15872)), diskOf(parts));
  await assert.rejects(opened.verify(), { code: "PARTCLONE_CHECKSUM_KIND" });
});

async function works(bytes: Uint8Array): Promise<boolean> {
  try {
    const image = await openPartclone(new MemoryDisk(bytes));
    await image.source.read(0, Math.min(image.source.sizeBytes, 1 << 16));
    await image.verify();
    return true;
  } catch (error) {
    assert(error instanceof Fault, String(error));
    return false;
  }
}

test("every cut of both versions is refused", async () => {
  for (const whole of [partcloneV2(parts), partcloneV1(parts, 4)])
    for (let length = 0; length < whole.length; length += 1)
      assert.equal(await works(whole.subarray(0, length)), false, `cut at ${length}`);
});

test("every bit of version 2's header and bitmap is protected", async () => {
  const whole = partcloneV2(parts);
  for (let bit = 0; bit < 118 * 8; bit += 1) {
    const bytes = Buffer.from(whole);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(await works(bytes), false, `bit ${bit}`);
  }
});

test("any fields, sealed again, open or are refused", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.nat({ max: 85 }), async (bytes, at) => {
      const image = partcloneV2(parts);
      image.set(bytes, 30 + Math.min(at, 76 - bytes.length));
      await works(reseal(image));
      const old = partcloneV1(parts, 4);
      old.set(bytes, 30 + Math.min(at, 34));
      await works(old);
    }),
  );
});
