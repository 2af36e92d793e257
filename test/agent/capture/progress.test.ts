import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CaptureProgress } from "../../../agent/capture/progress.ts";

const mebibyte = 1024 ** 2;

test("percent of what is used, the rate of the last seconds, the time left, what was sent", () => {
  const progress = new CaptureProgress(400 * mebibyte, 0);
  const at = (seconds: number, done: number, unused: number, sent: number) =>
    progress.step({ doneBytes: done * mebibyte, unusedBytes: unused * mebibyte }, sent * mebibyte, seconds * 1000);
  assert.deepEqual(at(1, 200, 100, 40), {
    percent: 25,
    detail: "100.0 MiB of 400.0 MiB, 100.0 MiB/s, 3 s left; 40.0 MiB sent",
  });
  for (let second = 2; second <= 40; second += 1) at(second, 200 + second, 100, 40);
  assert.match(at(41, 241, 100, 41).detail, /, 1\.0 MiB\/s, 4 min \d\d s left/);
  assert.equal(at(42, 500, 100, 41).percent, 100);
});

test("any progress gives a percent from 0 to 100 and a line that fits the screen", () => {
  fc.assert(
    fc.property(
      fc.nat(2 ** 40),
      fc.array(fc.tuple(fc.nat(2 ** 40), fc.nat(5000)), { maxLength: 30 }),
      (used, steps) => {
        const progress = new CaptureProgress(used, 0);
        let doneBytes = 0;
        let nowMs = 0;
        for (const [bytes, ms] of steps) {
          doneBytes = Math.min(used, doneBytes + bytes);
          nowMs += ms;
          const { percent = -1, detail } = progress.step({ doneBytes, unusedBytes: 0 }, 0, nowMs);
          assert(percent >= 0 && percent <= 100);
          assert(!/NaN|Infinity|-/.test(detail), detail);
        }
      },
    ),
  );
});
