import assert from "node:assert/strict";
import { test } from "node:test";
import { wordsAfterEnd, wordsBeforeStart, wordsWhileStreaming } from "../../multicast/waiting-words.ts";

test("what a stream waits for, in words, and nothing when it waits for nothing", () => {
  assert.deepEqual(
    [wordsBeforeStart(0, 1), wordsBeforeStart(1, 2), wordsBeforeStart(3, 2)],
    ["0 of 1 host ready", "1 of 2 hosts ready", ""],
  );
  assert.equal(wordsWhileStreaming([], false), "");
  assert.equal(wordsWhileStreaming(["DNS is silent", "DNS is silent"], false), "DNS is silent");
  assert.match(wordsWhileStreaming(["DNS is silent"], true), /^DNS is silent; a burst of canaries/);
  assert.deepEqual(
    [wordsAfterEnd(1, 1), wordsAfterEnd(1, 2), wordsAfterEnd(0, 2)],
    ["1 of 1 host has still to report the end", "1 of 2 hosts have still to report the end", ""],
  );
});
