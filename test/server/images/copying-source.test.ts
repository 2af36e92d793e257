import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CELL_BYTES } from "../../../images/cell.ts";
import { scan } from "../../../images/scan.ts";
import { CopyingSource } from "../../../server/images/copying-source.ts";
import { MemoryDisk } from "../../images/memory.ts";
import { layoutWithTable, sampleDisk, sampleDisks } from "../../images/sample-disk.ts";

const tag = { name: "sample", version: 1, builder: "test", createdAtMs: 0, notes: "" };

async function copied(disk: MemoryDisk, target: MemoryDisk, tableCells: readonly number[]) {
  const source = new CopyingSource(disk, target, tableCells);
  const manifest = await scan(source, {
    tag,
    layout: layoutWithTable(tableCells),
    codec: "stored",
    onPack: async () => undefined,
  });
  return { source, manifest };
}

test("what is scanned is written, the table at the end, zeros not at all", () =>
  fc.assert(
    fc.asyncProperty(sampleDisks, async (disk) => {
      const target = new MemoryDisk(new Uint8Array(disk.sizeBytes));
      const last = Math.ceil(disk.sizeBytes / CELL_BYTES) - 1;
      const { source } = await copied(disk, target, [...new Set([0, last])]);
      assert(target.bytes.subarray(0, CELL_BYTES).every((byte) => byte === 0));
      assert.equal(Buffer.compare(await source.copy().read(0, disk.sizeBytes), disk.bytes), 0);
      await source.finish();
      assert.equal(Buffer.compare(target.bytes, disk.bytes), 0);
    }),
    { numRuns: 50 },
  ));

test("cells of zeros are left to whoever knows what the target holds", async () => {
  const disk = sampleDisk("a00b");
  const target = new MemoryDisk(new Uint8Array(disk.sizeBytes).fill(0xee));
  const { source, manifest } = await copied(disk, target, [0]);
  await source.finish();
  assert(target.bytes.subarray(CELL_BYTES, 3 * CELL_BYTES).every((byte) => byte === 0xee));
  const zero = [...manifest.cells.runs()].filter(({ state }) => state === "zero");
  assert.deepEqual(
    zero.map(({ firstCell, count }) => [firstCell, count]),
    [[1, 2]],
  );
});
