import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CELL_BYTES } from "../../images/cell.ts";
import { decodePack } from "../../images/pack.ts";
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

test("many readers at once, with memory that is used again as soon as nobody reads it", async () => {
  const disk = sampleDisk("?".repeat(16 * 40));
  const { manifest, reader } = await scanToMemory(disk, { codec: "zstd" });
  const lent = new Set<Uint8Array>();
  const stored = new StoredDisk(reader, manifest, async (bytes, entry) => {
    const cells = decodePack(bytes, entry);
    await new Promise((resolve) => setImmediate(resolve));
    for (const cell of cells) lent.add(cell);
    return {
      cells,
      free: () => {
        for (const cell of cells) {
          assert(lent.delete(cell), "freed twice");
          cell.fill(0xee);
        }
      },
    };
  });
  // Each goes through the disk by itself: together they need far more packs than are kept.
  const readers = Array.from({ length: 30 }, async (_, number) => {
    for (let step = 0; step < 40; step += 1) {
      const at = (((number * 7 + step) % 40) * 16 * CELL_BYTES + number * 1000) % (disk.sizeBytes - 200_000);
      assert(Buffer.from(await stored.read(at, 200_000)).equals(disk.bytes.subarray(at, at + 200_000)));
    }
  });
  await Promise.all(readers);
  await new Promise((resolve) => setImmediate(resolve));
  assert(lent.size <= 16 * 16, `${lent.size} cells are still lent`);
});

test("a pack that could not be read is tried again, and what was read ahead for nothing stops nobody", async () => {
  const disk = sampleDisk("?".repeat(16 * 8));
  const { manifest, reader } = await scanToMemory(disk);
  let failures = 0;
  const packs: PackReader = {
    async read(pack, number) {
      if (number !== 5 || failures > 0) return reader.read(pack, number);
      failures += 1;
      throw new Error("not now");
    },
  };
  const stored = new StoredDisk(packs, manifest);
  for (let at = 0; at < 3 << 20; at += CELL_BYTES) await stored.read(at, CELL_BYTES);
  assert.equal(failures, 1);
  await new Promise((resolve) => setImmediate(resolve));
  assert(Buffer.from(await stored.read(0, disk.sizeBytes)).equals(disk.bytes));
});
