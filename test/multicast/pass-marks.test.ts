import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamLayout } from "../../multicast/layout.ts";
import { MARKS_PER_PASS, PassMarks } from "../../multicast/pass-marks.ts";
import { descriptionOf } from "./streams.ts";

/** Hundred symbols in blocks of eight; those in `missing` are not here. */
function start(missing: ReadonlySet<number>) {
  const sizes = Array.from({ length: 10 }, () => 640);
  const layout = new StreamLayout(
    descriptionOf(sizes, {}),
    sizes.map((storedBytes) => ({ storedBytes })),
  );
  const lackingOf = (block: number) => [...missing].filter((number) => Math.floor(number / 8) === block).length;
  const passes = new PassMarks(layout, { lackingOf, has: (number) => !missing.has(number) });
  const line = () =>
    passes
      .take()
      .map(({ isMissing }) => (isMissing ? "x" : "."))
      .join("");
  return { passes, line };
}

test("pass marks: a stretch is shown one mark later, all of them when the pass ends", () => {
  const { passes, line } = start(new Set([0, 50]));
  assert.equal(passes.hasBegun, false);
  passes.end();
  assert.equal(line(), "", "there was none");
  passes.follow(0, 0);
  passes.follow(9, 10);
  assert.equal(line(), "x..");
  passes.follow(60, 70);
  assert.equal(line(), `${".".repeat(22)}x${".".repeat(3)}`);
  passes.end();
  assert.equal(line(), ".".repeat(MARKS_PER_PASS - 29));
  assert.deepEqual([passes.hasBegun, passes.fullPasses], [true, 0]);
});

test("pass marks: a pass begins anew where the first symbol was, but not sooner than a pass can", () => {
  const { passes } = start(new Set());
  for (const [number, now] of [
    [40, 0],
    [99, 100],
    [20, 200],
    [40, 300],
    [30, 320],
    [20, 350],
  ] as const) {
    passes.follow(number, now);
  }
  assert.equal(passes.fullPasses, 1);
  passes.follow(10, 400);
  assert.equal(passes.fullPasses, 2);
});
