import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CELL_BYTES } from "../../images/cell.ts";
import { differingCells, usedBytes, type VerifyProgress } from "../../images/verify.ts";
import { MemoryDisk } from "./memory.ts";
import { layoutWithTable, sampleDisk, sampleDisks, scanToMemory } from "./sample-disk.ts";

test("exactly the cells that were changed differ", async () => {
  const cases = sampleDisks.chain((disk) => {
    const cells = Math.ceil(disk.sizeBytes / CELL_BYTES);
    return fc.tuple(fc.constant(disk), fc.uniqueArray(fc.nat({ max: cells - 1 }), { maxLength: 5 }));
  });
  await fc.assert(
    fc.asyncProperty(cases, async ([disk, changed]) => {
      const { manifest } = await scanToMemory(disk);
      // Larger than the image, as a target disk may be.
      const target = new Uint8Array(disk.sizeBytes + 999);
      target.set(disk.bytes);
      for (const cell of changed) target[cell * CELL_BYTES + 100]! ^= 1;
      assert.deepEqual(
        await collect(differingCells(manifest, new MemoryDisk(target))),
        changed.toSorted((a, b) => a - b),
      );
    }),
    { numRuns: 40 },
  );
});

test("unused cells may hold anything and are not counted", async () => {
  const disk = sampleDisk("abc0");
  const { manifest } = await scanToMemory(disk, { layout: layoutWithTable([0]), isUnused: (cell) => cell === 1 });
  disk.bytes.fill(9, CELL_BYTES, 2 * CELL_BYTES);
  const seen: VerifyProgress[] = [];
  assert.deepEqual(await collect(differingCells(manifest, disk, { onProgress: (p) => seen.push(p) })), []);
  assert.equal(usedBytes(manifest), 3 * CELL_BYTES);
  assert.deepEqual(seen.at(-1), { doneBytes: 3 * CELL_BYTES, totalBytes: 3 * CELL_BYTES });
});

test("a disk that is too small is refused", async () => {
  const { manifest } = await scanToMemory(sampleDisk("ab"));
  const comparing = collect(differingCells(manifest, sampleDisk("a")));
  await assert.rejects(comparing, { code: "DISK_TOO_SMALL" });
});

async function collect(cells: AsyncIterable<number>): Promise<number[]> {
  const collected: number[] = [];
  for await (const cell of cells) collected.push(cell);
  return collected;
}
