import assert from "node:assert/strict";
import { test } from "node:test";
import { NeededBlocks } from "../../multicast/needed-blocks.ts";

/** Goes through all that is needed; "|" where a pass ends. */
function walk(blocks: NeededBlocks): string {
  let line = "";
  for (let turns = 0, from = 0; turns < 20; turns += 1) {
    const ended = blocks.advance(from);
    if (ended !== undefined) line += "|";
    if (blocks.current === undefined) return line;
    line += blocks.current;
    blocks.begin();
    from = blocks.current + 1;
  }
  return line;
}

test("needed blocks: ascending, each once, and a pass ends with the last of them", () => {
  const blocks = new NeededBlocks(6);
  assert.deepEqual([blocks.advance(), blocks.current, blocks.pass], [undefined, undefined, 1]);
  for (const block of [4, 1, 3]) blocks.need(block);
  assert.equal(walk(blocks), "134|");
  assert.deepEqual([blocks.pass, blocks.isNeeded(3), blocks.advance()], [2, false, undefined]);
  blocks.needAll();
  assert.equal(walk(blocks), "012345|");
});

test("needed blocks: what is needed behind the place of the pass makes the next one", () => {
  const blocks = new NeededBlocks(4);
  blocks.need(2);
  blocks.advance();
  blocks.begin();
  blocks.need(0);
  blocks.need(2);
  assert.equal(blocks.advance(3), 1);
  assert.deepEqual([blocks.current, blocks.pass, blocks.isNeeded(2)], [0, 2, true], "begun, and needed again");
});

test("needed blocks: no pass is begun for one that left, and what is asked for after that is sent", () => {
  const blocks = new NeededBlocks(4);
  blocks.need(2);
  blocks.advance();
  blocks.begin();
  blocks.need(0);
  blocks.onReceiverLeft();
  assert.deepEqual([blocks.advance(3), blocks.current, blocks.isNeeded(0)], [1, undefined, false]);
  blocks.need(0);
  assert.equal(walk(blocks), "0|");
  blocks.needAll();
  blocks.advance();
  blocks.clear();
  assert.deepEqual([blocks.current, blocks.isNeeded(1)], [undefined, false]);
});
