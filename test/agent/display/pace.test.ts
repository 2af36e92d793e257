import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Pace } from "../../../agent/display/pace.ts";

test("a steady pace: rate and time left", () => {
  const pace = new Pace();
  assert.deepEqual([pace.percent, pace.bytesPerSecond(0), pace.leftMs(0)], [undefined, undefined, undefined]);
  for (let second = 0; second <= 40; second += 1) pace.add(second * 1000, second, second * 1_000_000);
  assert.equal(pace.percent, 40);
  assert.equal(Math.round(pace.bytesPerSecond(40_000)!), 1_000_000);
  assert.equal(Math.round(pace.leftMs(40_000)!), 60_000);
});

test("a stream that stops: the rate falls and the time left grows", () => {
  const pace = new Pace();
  for (let second = 0; second <= 20; second += 1) pace.add(second * 1000, second, second * 1_000_000);
  assert(pace.bytesPerSecond(30_000)! < 700_000);
  assert(pace.leftMs(30_000)! > 100_000);
  for (let second = 21; second <= 60; second += 1) pace.add(second * 1000, 20, 20_000_000);
  assert.equal(pace.bytesPerSecond(60_000), 0);
  assert.equal(pace.leftMs(60_000), undefined);
});

test("the next step begins anew", () => {
  const pace = new Pace();
  for (let second = 0; second <= 20; second += 1) pace.add(second * 1000, second * 5, second * 1_000_000);
  pace.add(21_000, 1, 100);
  assert.equal(pace.bytesPerSecond(21_000), undefined);
  assert.equal(pace.percent, 1);
  pace.clear();
  assert.equal(pace.percent, undefined);
});

test("a step without bytes has a time left and no rate; no number is ever wrong", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(5_000), fc.nat(100), fc.option(fc.nat(), { nil: undefined }))), (looks) => {
      const pace = new Pace();
      let now = 0;
      for (const [later, percent, bytes] of looks) {
        now += later;
        pace.add(now, percent, bytes);
        const [rate, left] = [pace.bytesPerSecond(now), pace.leftMs(now)];
        assert(rate === undefined || (rate >= 0 && Number.isFinite(rate)));
        assert(left === undefined || (left >= 0 && Number.isFinite(left)));
      }
    }),
  );
});
