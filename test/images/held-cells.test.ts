import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CELL_BYTES, cellCount } from "../../images/cell.ts";
import { CellBits } from "../../images/cell-bits.ts";
import { HeldCells } from "../../images/held-cells.ts";
import { placesOfPack } from "../../images/pack-places.ts";
import { layoutWithTable, sampleDisk, sampleDisks, scanToMemory } from "./sample-disk.ts";

const END_BYTES = 4 * CELL_BYTES;

const cases = sampleDisks.chain((disk) => {
  const cells = cellCount(disk.sizeBytes);
  return fc.tuple(
    fc.constant(disk),
    fc.uniqueArray(fc.nat({ max: cells - 1 }), { maxLength: 6 }),
    fc.nat({ max: 20 }),
    fc.uniqueArray(fc.nat({ max: cells - 1 }), { minLength: 1, maxLength: 2 }),
  );
});

function marked(cells: readonly number[]): CellBits {
  const bits = new CellBits();
  for (const cell of cells) bits.mark(cell, cell + 1);
  return bits;
}

test("a pack is held when every place of it is right; the table never is where anything is written", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ([disk, wrong, _, table]) => {
      const { manifest } = await scanToMemory(disk, { layout: layoutWithTable(table) });
      const held = new HeldCells(manifest, marked(wrong));
      assert.equal(held.isWhole, wrong.length === 0);
      const isWrong = (cell: number) => wrong.length > 0 && (wrong.includes(cell) || table.includes(cell));
      const places = placesOfPack(manifest);
      let neededBytes = 0;
      for (const [number, { storedBytes }] of manifest.packs.entries()) {
        const isHeld = places.get(number).every(({ cell }) => !isWrong(cell));
        assert.equal(held.holdsPack(number), isHeld);
        if (!isHeld) neededBytes += storedBytes;
      }
      let keptBytes = 0;
      for (let cell = 0; cell < manifest.cells.length; cell += 1) {
        assert.equal(held.isRight(cell), !isWrong(cell));
        if (!isWrong(cell)) keptBytes += Math.min(CELL_BYTES, disk.sizeBytes - cell * CELL_BYTES);
      }
      assert.deepEqual(held.count(), { keptBytes, neededBytes });
    }),
    { numRuns: 60 },
  );
});

test("wiped are the table, and what is not right in both ends; nothing outside the disk, nothing that is right", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ([disk, wrong, more, table]) => {
      const { manifest } = await scanToMemory(disk, { layout: layoutWithTable(table) });
      const held = new HeldCells(manifest, marked(wrong));
      const diskBytes = disk.sizeBytes + more * 4096;
      const wipes = held.wipes(diskBytes, END_BYTES);
      if (wrong.length === 0) {
        assert.deepEqual(wipes, []);
        return;
      }
      const wiped = new Uint8Array(Math.ceil(diskBytes / CELL_BYTES));
      let end = -1;
      for (const { at, length } of wipes) {
        assert(at > end && length > 0 && at + length <= diskBytes);
        end = at + length;
        wiped.fill(1, Math.floor(at / CELL_BYTES), Math.ceil(end / CELL_BYTES));
      }
      for (const cell of table) assert.equal(wiped[cell], 1);
      for (const [cell, isWiped] of wiped.entries()) {
        if (held.isRight(cell)) assert.equal(isWiped, 0, `cell ${cell} was right`);
        const isInEnd = cell * CELL_BYTES < END_BYTES || (cell + 1) * CELL_BYTES > diskBytes - END_BYTES;
        if (isInEnd && !held.isRight(cell)) assert.equal(isWiped, 1, `cell ${cell} is in an end`);
      }
    }),
    { numRuns: 60 },
  );
});

test("a cell that nothing uses is never called right: nobody looked at it", async () => {
  const disk = sampleDisk("a?b0");
  const { manifest } = await scanToMemory(disk, { layout: layoutWithTable([0]), isUnused: (cell) => cell === 1 });
  const held = new HeldCells(manifest, marked([3]));
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((cell) => held.isRight(cell)),
    [false, false, true, false, false],
  );
});
