import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { coarseMap, drawMap, MOST_MAP_RUNS, type Runs } from "../../multicast/missing-map.ts";

/** Runs with a gap between any two, as `neededBlocks` gives them. */
const anyRuns = fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }))).map((steps) => {
  const runs: [number, number][] = [];
  let end = -1;
  for (const [gap, count] of steps) {
    runs.push([end + gap, count]);
    end += gap + count;
  }
  return runs;
});

const blocksOf = (runs: Runs) =>
  new Set(runs.flatMap(([first, count]) => Array.from({ length: count }, (_, at) => first + at)));

test("few runs are shown as they are", () => {
  const runs: Runs = [
    [0, 3],
    [7, 1],
  ];
  assert.deepEqual(coarseMap(runs, 2), runs);
});

test("of many, the shortest gaps are closed, the later of two first", () => {
  const runs: Runs = [
    [0, 1],
    [2, 1],
    [10, 1],
    [12, 1],
    [30, 5],
  ];
  assert.deepEqual(coarseMap(runs, 4), [
    [0, 1],
    [2, 1],
    [10, 3],
    [30, 5],
  ]);
  assert.deepEqual(coarseMap(runs, 1), [[0, 35]]);
});

test("a map leaves out nothing, is ascending with gaps, and has no more runs than it may", () => {
  fc.assert(
    fc.property(anyRuns, fc.integer({ min: 1, max: MOST_MAP_RUNS }), (runs, most) => {
      const map = coarseMap(runs, most);
      assert(map.length <= most);
      const shown = blocksOf(map);
      for (const block of blocksOf(runs)) assert(shown.has(block));
      for (const [at, [first]] of map.slice(1).entries()) assert(first > map[at]![0] + map[at]![1]);
      if (runs.length <= most) assert.deepEqual(map, runs);
    }),
  );
});

test("a drawn map shows what is there, partly there, and missing", () => {
  const runs: Runs = [
    [10, 10],
    [25, 3],
  ];
  assert.equal(drawMap(runs, 40, 4), ".x-.");
  assert.equal(drawMap([], 40, 4), "....");
  assert.equal(drawMap([[0, 3]], 3, 6), "xxxxxx", "more characters than blocks");
  assert.equal(drawMap([[1, 1]], 3, 3), ".x.");
});
