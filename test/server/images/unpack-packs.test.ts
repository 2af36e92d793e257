import assert from "node:assert/strict";
import { test } from "node:test";
import { CELL_BYTES } from "../../../images/cell.ts";
import { placesOfPack } from "../../../images/pack-places.ts";
import { unpackPacks } from "../../../server/images/unpack-packs.ts";
import { sampleDisk, scanToMemory } from "../../images/sample-disk.ts";

const disk = sampleDisk(`ab${"?".repeat(300)}00a`);

test("every pack is handed over once, with the cells that the disk has", async () => {
  const { manifest, reader } = await scanToMemory(disk, { codec: "zstd" });
  const places = placesOfPack(manifest);
  const restored = new Uint8Array(disk.sizeBytes);
  const seen: number[] = [];
  const done: number[] = [];
  const use = async (number: number, cells: readonly Uint8Array[]) => {
    seen.push(number);
    await new Promise((resolve) => setImmediate(resolve));
    for (const { index, cell } of places.get(number)) restored.set(cells[index]!, cell * CELL_BYTES);
  };
  await unpackPacks(reader, manifest, use, { onProgress: (packs) => done.push(packs) });
  assert(Buffer.from(restored).equals(disk.bytes));
  const all = [...manifest.packs.keys()];
  assert.deepEqual(
    seen.toSorted((a, b) => a - b),
    all,
  );
  assert.deepEqual(
    done,
    all.map((number) => number + 1),
  );
});

test("the first failure ends it, and nothing is written any more when it is told", async () => {
  const { manifest, reader } = await scanToMemory(disk, { codec: "zstd" });
  const damaged = {
    read: async (_: unknown, number: number) => {
      const bytes = await reader.read(manifest.packs[number]!, number);
      return number === 5 ? Uint8Array.from(bytes, (byte, at) => (at === 50 ? byte ^ 1 : byte)) : bytes;
    },
  };
  let writing = 0;
  const use = async (number: number) => {
    assert.notEqual(number, 5);
    writing += 1;
    await new Promise((resolve) => setImmediate(resolve));
    writing -= 1;
  };
  await assert.rejects(unpackPacks(damaged, manifest, use), { code: "PACK_DAMAGED" });
  assert.equal(writing, 0);
  await assert.rejects(
    unpackPacks(reader, manifest, async () => Promise.reject(new Error("disk full"))),
    { message: "disk full" },
  );
});

test("it stops when it is told to", async () => {
  const { manifest, reader } = await scanToMemory(disk, { codec: "zstd" });
  const controller = new AbortController();
  const used: number[] = [];
  const use = async (number: number) => {
    used.push(number);
    controller.abort(new Error("stop"));
  };
  await assert.rejects(unpackPacks(reader, manifest, use, { signal: controller.signal }), { message: "stop" });
  assert(used.length < manifest.packs.length);
});
