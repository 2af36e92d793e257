import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../fault.ts";
import { formatRate, parseRate } from "../../multicast/rate.ts";

const rates: readonly (readonly [string, number])[] = [
  ["12MB/s", 12_000_000],
  ["60 MB/s", 60_000_000],
  ["20000kbit", 2_500_000],
  ["20000kbit/s", 2_500_000],
  ["100Mbps", 12_500_000],
  ["1.5 Gbit/s", 187_500_000],
  ["8MiB/s", 8_388_608],
  ["850kB/s", 850_000],
  [" 1kb ", 1_000],
];
for (const [text, rateBytesPerSecond] of rates) {
  test(`rate "${text}" is ${rateBytesPerSecond} bytes per second`, () => {
    assert.equal(parseRate(text), rateBytesPerSecond);
  });
}

for (const text of [
  "",
  "12",
  "MB/s",
  "-3MB/s",
  "12MB/h",
  "12 parsecs",
  "12MBps",
  "12constructor",
  "0MB/s",
  "1e9MB/s",
  "60GB/s",
  "10bit",
]) {
  test(`"${text}" is refused as a rate`, () => {
    assert.throws(() => parseRate(text), { code: "RATE_INVALID" });
  });
}

test("any text is a rate or is refused, never anything else", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        assert(parseRate(text) >= 1_000);
      } catch (error) {
        assert(error instanceof Fault);
      }
    }),
  );
});

test("a shown rate reads back within its own precision", () => {
  fc.assert(
    fc.property(fc.integer({ min: 10_000, max: 40e9 }), (rate) => {
      assert(Math.abs(parseRate(formatRate(rate)) - rate) <= rate * 0.06);
    }),
  );
});
