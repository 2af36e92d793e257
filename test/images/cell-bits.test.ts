import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CellBits } from "../../images/cell-bits.ts";

const PAGE = 65536;
const ranges = fc.array(
  fc.record({
    first: fc.constantFrom(0, 1, 7, 100, PAGE - 1, PAGE, 2 * PAGE - 8),
    length: fc.constantFrom(0, 1, 9, 300, PAGE, PAGE + 5),
  }),
  { maxLength: 6 },
);

test("a set of cells is what was added to it, one by one or from another set", () => {
  fc.assert(
    fc.property(ranges, ranges, (mine, others) => {
      const bits = new CellBits();
      const other = new CellBits();
      for (const { first, length } of mine) bits.mark(first, first + length);
      for (const { first, length } of others) other.mark(first, first + length);
      bits.add(other);
      const isIn = (cell: number) =>
        [...mine, ...others].some(({ first, length }) => cell >= first && cell < first + length);
      let count = 0;
      for (let cell = 0; cell < 4 * PAGE + 20; cell += 1) {
        if (isIn(cell)) count += 1;
        if (bits.has(cell) !== isIn(cell)) assert.fail(`cell ${cell}`);
      }
      assert.equal(bits.count, count);
      // The two are apart from then on.
      const before = other.count;
      bits.mark(3 * PAGE, 3 * PAGE + 10);
      assert.equal(other.count, before);
      assert(!other.has(3 * PAGE + 5) || others.some(({ first, length }) => first + length > 3 * PAGE + 5));
    }),
    { numRuns: 20 },
  );
});

test("the largest disk that is all free costs nothing and no time", () => {
  const bits = new CellBits();
  bits.mark(1, 0xffff_fffe);
  assert.equal(bits.count, 0xffff_fffd);
  assert(bits.has(0xffff_fffd) && !bits.has(0xffff_fffe) && !bits.has(0));
});
