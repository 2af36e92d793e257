import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cellId } from "../../images/cell.ts";
import { CellIdTable } from "../../images/cell-id-table.ts";
import { CellMapBuilder, type CellPlace } from "../../images/cell-map.ts";

const place = fc.oneof(
  fc.constant<CellPlace>({ state: "zero" }),
  fc.constant<CellPlace>({ state: "unused" }),
  fc.nat({ max: 5 }).map<CellPlace>((stored) => ({ state: "data", stored })),
);

test("a cell map says of every cell what was put in", () => {
  fc.assert(
    fc.property(fc.array(place, { minLength: 1, maxLength: 300 }), (places) => {
      const builder = new CellMapBuilder();
      for (const one of places) {
        if (one.state === "data") builder.data(one.stored);
        else builder[one.state]();
      }
      const map = builder.finish();
      assert.equal(map.length, places.length);
      assert.deepEqual(
        Array.from(places, (_, cell) => map.at(cell)),
        places,
      );
      const flat = [...map.runs()].flatMap(({ state, count, firstStored }) =>
        Array.from({ length: count }, (_, at) => (state === "data" ? { state, stored: firstStored + at } : { state })),
      );
      assert.deepEqual(flat, places);
    }),
  );
});

test("neighbours are one run", () => {
  const builder = new CellMapBuilder();
  builder.zero(3);
  builder.zero();
  builder.data(7, 2);
  builder.data(9);
  builder.data(9);
  builder.unused(0);
  const runs = [...builder.finish().runs()].map(({ firstCell, count, state }) => [firstCell, count, state]);
  assert.deepEqual(runs, [
    [0, 4, "zero"],
    [4, 3, "data"],
    [7, 1, "data"],
  ]);
});

test("a cell that is not on the disk is a defect", () => {
  const builder = new CellMapBuilder();
  builder.zero(3);
  const map = builder.finish();
  for (const cell of [-1, 3, Number.NaN]) assert.throws(() => map.at(cell), RangeError);
});

test("the table of cell ids finds what was added, also after it grew, and nothing else", () => {
  const table = new CellIdTable();
  const id = (number: number) => cellId(Buffer.from(String(number)));
  for (let number = 0; number < 5000; number += 1) {
    assert.equal(table.find(id(number)), undefined);
    assert.equal(table.add(id(number)), number);
  }
  for (let number = 0; number < 5000; number += 1) assert.equal(table.find(id(number)), number);
  assert.equal(table.find(id(5000)), undefined);
  // The same first bytes, so the same slot.
  const near = Uint8Array.from(id(17));
  near[31]! ^= 1;
  assert.equal(table.find(near), undefined);
});
