import assert from "node:assert/strict";
import { test } from "node:test";
import { Tail } from "../../multicast/tail.ts";

test("tail: quiet when nobody gave work for 1.5 s and one turn of all", () => {
  const tail = new Tail();
  tail.onWork(1_000);
  tail.start(600, 1_000);
  assert.deepEqual([tail.isQuiet(600, 3_099), tail.isQuiet(600, 3_100)], [false, true]);
  tail.onWork(3_100);
  assert.equal(tail.isQuiet(600, 5_199), false);
});

test("tail: the canary says how many blocks were sent and, in 10 ms, over how long to ask", () => {
  const tail = new Tail();
  tail.start(6_005, 0);
  assert.deepEqual(tail.canary(77, 0), { block: 77, symbol: 601 >> 8, plannedParity: 601 & 0xff });
  const pauseOf = ({ symbol, plannedParity }: ReturnType<Tail["canary"]>) => symbol * 256 + plannedParity;
  assert(pauseOf(tail.canary(77, 80)) < 601, "nobody asked: shorter");
  for (let request = 0; request < 60; request += 1) tail.onRequest();
  const before = pauseOf(tail.canary(77, 100));
  assert(pauseOf(tail.canary(77, 160)) > before, "many asked: longer");
});
