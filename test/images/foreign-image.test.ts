import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type ForeignRange, rangesWithin } from "../../images/foreign-image.ts";

const states = ["data", "zero", "unused"] as const;

test("any part of any ranges: each byte keeps its state, and what is not known is data", () => {
  const pieces = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.constantFrom(...states)), { maxLength: 12 });
  fc.assert(
    fc.property(pieces, fc.nat(60), fc.nat(60), (some, start, length) => {
      const bytes = some.flatMap(([count, state]) => Array<ForeignRange["state"]>(count).fill(state));
      let at = 0;
      const ranges = some.map(([count, state]): ForeignRange => {
        at += count;
        return { startBytes: at - count, endBytes: at, state };
      });
      let next = start;
      for (const { startBytes, endBytes, state } of rangesWithin(ranges, start, start + length)) {
        assert.equal(startBytes, next);
        assert(endBytes > startBytes);
        for (let byte = startBytes; byte < endBytes; byte += 1) assert.equal(state, bytes[byte] ?? "data");
        next = endBytes;
      }
      assert.equal(next, start + length);
    }),
  );
});
