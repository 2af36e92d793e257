import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { rangeOf } from "../../../server/boot/range.ts";

const file = { tag: '"abc"', sizeBytes: 1000 };
const whole = undefined;

for (const [header, expected] of [
  [undefined, whole],
  ["bytes=0-0", { from: 0, to: 1 }],
  ["bytes=0-499", { from: 0, to: 500 }],
  ["bytes=500-", { from: 500, to: 1000 }],
  ["bytes=-100", { from: 900, to: 1000 }],
  ["bytes=-5000", { from: 0, to: 1000 }],
  ["bytes=999-2000", { from: 999, to: 1000 }],
  ["BYTES = 1 - 2", { from: 1, to: 3 }],
  ["bytes=1000-", "unsatisfiable"],
  ["bytes=1000-1001", "unsatisfiable"],
  ["bytes=-0", "unsatisfiable"],
  ["bytes=5-4", whole],
  ["bytes=-", whole],
  ["bytes=0-1,5-6", whole],
  ["lines=0-1", whole],
  ["bytes=a-b", whole],
  ["bytes=99999999999999999999-", whole],
] as const) {
  test(`range: ${header}`, () => assert.deepEqual(rangeOf(header, undefined, file), expected));
}

test("range: If-Range holds it to one version of the file", () => {
  assert.deepEqual(rangeOf("bytes=0-0", '"abc"', file), { from: 0, to: 1 });
  assert.equal(rangeOf("bytes=0-0", '"other"', file), whole);
  assert.equal(rangeOf("bytes=0-0", "Wed, 01 Jan 2025 00:00:00 GMT", file), whole);
});

test("range: an empty file has no ranges", () => {
  for (const header of ["bytes=0-", "bytes=-1"])
    assert.equal(rangeOf(header, undefined, { ...file, sizeBytes: 0 }), "unsatisfiable");
});

test("range: any header gives a range inside the file, or none", () => {
  const headers = fc.oneof(
    fc.string(),
    fc.tuple(fc.nat(2000), fc.nat(2000)).map(([a, b]) => `bytes=${a}-${b}`),
  );
  fc.assert(
    fc.property(headers, fc.nat(1500), (header, sizeBytes) => {
      const range = rangeOf(header, undefined, { tag: "", sizeBytes });
      if (range === undefined || range === "unsatisfiable") return;
      assert(0 <= range.from && range.from < range.to && range.to <= sizeBytes);
    }),
  );
});
