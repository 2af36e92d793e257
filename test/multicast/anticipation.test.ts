import assert from "node:assert/strict";
import { test } from "node:test";
import { Anticipation } from "../../multicast/anticipation.ts";

/** Blocks that went by one after the other, each judged at once, of which the room needed so many parity symbols. */
function after(needs: readonly number[]): Anticipation {
  const anticipation = new Anticipation();
  for (const [block, need] of needs.entries()) {
    anticipation.onBlock({ block, plannedBefore: 0 }, 0, block);
    if (need > 0) anticipation.onRequest(block);
    anticipation.judge(block, () => need);
  }
  return anticipation;
}

test("anticipation: what nearly all of the last sixteen blocks needed; nothing before there were so many", () => {
  const needs = [9, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9];
  assert.equal(after(needs.slice(1)).count, 0);
  assert.equal(after(needs).count, 5);
  assert.equal(after([...needs, 9, 9, 9]).count, 7, "older ones are forgotten");
  assert.equal(after(needs.map(() => 0)).count, 0);
});

test("anticipation: what nobody asked for may have been one too many", () => {
  const anticipation = after(Array.from({ length: 16 }, () => 4));
  anticipation.onBlock({ block: 16, plannedBefore: 0 }, 4, 100);
  anticipation.judge(100, () => 4);
  for (let block = 17; block < 19; block += 1) {
    anticipation.onBlock({ block, plannedBefore: 0 }, 4, block + 100);
    anticipation.judge(block + 100, () => 4);
  }
  assert.equal(anticipation.count, 3);
});

test("anticipation: what a block needed in an earlier pass is not counted again", () => {
  const anticipation = new Anticipation();
  anticipation.onBlock({ block: 5, plannedBefore: 30 }, 0, 1);
  anticipation.onRequest(5);
  anticipation.judge(1, () => 34);
  assert.equal(anticipation.most, 4);
});

test("anticipation: the most that was needed, and the blocks that are not judged yet, until others are served", () => {
  const anticipation = after([2, 7, 3]);
  assert.equal(anticipation.most, 7);
  anticipation.onBlock({ block: 3, plannedBefore: 0 }, 0, 50);
  anticipation.onBlock({ block: 4, plannedBefore: 0 }, 0, 60);
  anticipation.judge(55, () => 0);
  assert.deepEqual(
    anticipation.unjudged.map(({ block }) => block),
    [4],
  );
  anticipation.forget();
  assert.deepEqual([anticipation.most, anticipation.count, anticipation.unjudged.length], [0, 0, 0]);
});
