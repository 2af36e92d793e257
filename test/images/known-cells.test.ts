import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CELL_BYTES } from "../../images/cell.ts";
import type { ForeignRange } from "../../images/foreign-image.ts";
import { KnownCells } from "../../images/known-cells.ts";
import { MemoryDisk } from "./memory.ts";
import { layoutWithTable, sampleDisk, scanToMemory } from "./sample-disk.ts";

/** Ranges end to end, in units of 512 bytes. */
const someRanges = fc
  .array(fc.record({ sectors: fc.integer({ min: 1, max: 400 }), state: fc.constantFrom("data", "zero", "unused") }), {
    minLength: 1,
    maxLength: 30,
  })
  .map((pieces) => {
    let at = 0;
    return pieces.map(({ sectors, state }): ForeignRange => {
      const startBytes = at;
      at += sectors * 512;
      return { startBytes, endBytes: at, state: state as ForeignRange["state"] };
    });
  });

test("a cell is known when nothing of it is data, and unused when all of it is", () => {
  fc.assert(
    fc.property(someRanges, fc.boolean(), (ranges, keepsUnused) => {
      const sizeBytes = ranges.at(-1)!.endBytes;
      const known = new KnownCells(ranges, sizeBytes, { keepsUnused });
      for (let cell = 0; cell * CELL_BYTES < sizeBytes; cell += 1) {
        const states = ranges
          .filter(({ startBytes, endBytes }) => startBytes < (cell + 1) * CELL_BYTES && endBytes > cell * CELL_BYTES)
          .map(({ state }) => state);
        const isUnused = !keepsUnused && states.every((state) => state === "unused");
        const expected = states.includes("data") ? undefined : isUnused ? "unused" : "zero";
        assert.equal(known.stateOf(cell), expected, `cell ${cell}`);
      }
    }),
  );
});

test("what is not known is read", () => {
  const known = new KnownCells([], 10 * CELL_BYTES);
  for (let cell = 0; cell < 10; cell += 1) assert.equal(known.stateOf(cell), undefined);
});

test("what is known is not read, and the image is the same; the partition table is read in any case", async () => {
  const disk = sampleDisk(`ab${"0".repeat(40)}cd${"0".repeat(20)}e`);
  const ranges: ForeignRange[] = [
    { startBytes: 0, endBytes: 2 * CELL_BYTES, state: "data" },
    { startBytes: 2 * CELL_BYTES, endBytes: 42 * CELL_BYTES, state: "zero" },
    { startBytes: 42 * CELL_BYTES, endBytes: 44 * CELL_BYTES, state: "data" },
    { startBytes: 44 * CELL_BYTES, endBytes: 64 * CELL_BYTES, state: "zero" },
    { startBytes: 64 * CELL_BYTES, endBytes: 65 * CELL_BYTES, state: "data" },
  ];
  const read: number[] = [];
  const watched = new MemoryDisk(disk.bytes);
  watched.read = async (offset, length) => {
    for (let at = offset; at < offset + length; at += CELL_BYTES) read.push(at / CELL_BYTES);
    return disk.read(offset, length);
  };
  const layout = layoutWithTable([0, 50]);
  const known = new KnownCells(ranges, disk.sizeBytes);
  const { manifest } = await scanToMemory(watched, { layout, known });
  assert.deepEqual(
    read.sort((a, b) => a - b),
    [0, 1, 42, 43, 50, 64],
  );
  assert.deepEqual(manifest, (await scanToMemory(disk, { layout })).manifest);
});
