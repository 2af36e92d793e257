import assert from "node:assert/strict";
import { test } from "node:test";
import { Estimate } from "../../../../server/web/page/estimate.ts";

test("nobody knows before three seconds have passed; then by what happened lately", () => {
  const estimate = new Estimate();
  estimate.add("receiving", { atMs: 0, percent: 10 });
  estimate.add("receiving", { atMs: 2000, percent: 12 });
  assert.equal(estimate.leftMs, undefined);
  estimate.add("receiving", { atMs: 4000, percent: 14 });
  assert.deepEqual([estimate.percentPerSecond, estimate.leftMs], [1, 86_000]);
});

test("what was long ago does not count, and neither does what goes back or is another step", () => {
  const estimate = new Estimate();
  for (let second = 0; second <= 40; second += 1) {
    estimate.add("receiving", { atMs: second * 1000, percent: second < 10 ? second * 5 : 50 + (second - 10) });
  }
  assert.equal(estimate.percentPerSecond, 1, "as in the last half minute, not as at the beginning");
  estimate.add("receiving", { atMs: 41_000, percent: 5 });
  assert.equal(estimate.leftMs, undefined, "it began anew");
  estimate.add("receiving", { atMs: 45_000, percent: 9 });
  assert.equal(estimate.leftMs, 91_000);
  estimate.add("verifying", { atMs: 46_000, percent: 10 });
  assert.equal(estimate.leftMs, undefined);
});

test("what stands still has no end", () => {
  const estimate = new Estimate();
  estimate.add("receiving", { atMs: 0, percent: 50 });
  estimate.add("receiving", { atMs: 10_000, percent: 50 });
  assert.deepEqual([estimate.percentPerSecond, estimate.leftMs], [0, undefined]);
});
