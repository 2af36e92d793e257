import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { PackReader } from "../../images/pack-reader.ts";
import { StoredDisk } from "../../images/stored-disk.ts";
import { sampleDisk, sampleDisks, scanToMemory } from "./sample-disk.ts";

test("any stretch of an image of the store reads as the disk that it was made from", async () => {
  await fc.assert(
    fc.asyncProperty(sampleDisks, fc.nat(), fc.nat(300_000), async (disk, from, length) => {
      const { manifest, reader } = await scanToMemory(disk);
      const stored = new StoredDisk(reader, manifest);
      const start = from % disk.sizeBytes;
      const end = Math.min(disk.sizeBytes, start + length);
      assert(Buffer.from(await stored.read(start, end - start)).equals(disk.bytes.subarray(start, end)));
      let at = 0;
      for (const { startBytes, endBytes, state } of stored.ranges()) {
        assert.equal(startBytes, at);
        at = endBytes;
        if (state !== "data") assert(disk.bytes.subarray(startBytes, endBytes).every((byte) => byte === 0));
      }
      assert.equal(at, disk.sizeBytes);
    }),
    { numRuns: 50 },
  );
});

test("a pack is read once for neighbours, and again when too many came between", async () => {
  const disk = sampleDisk("?".repeat(16 * 20));
  const { manifest, reader } = await scanToMemory(disk);
  const read: number[] = [];
  const packs: PackReader = {
    async read(pack, number) {
      read.push(number);
      return reader.read(pack, number);
    },
  };
  const stored = new StoredDisk(packs, manifest);
  for (let at = 0; at < disk.sizeBytes; at += 65536) await stored.read(at, 65536);
  assert.equal(read.length, manifest.packs.length);
  await stored.read(0, 65536);
  assert.equal(read.length, manifest.packs.length + 1);
});
