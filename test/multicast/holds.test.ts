import assert from "node:assert/strict";
import { test } from "node:test";
import { Holds } from "../../multicast/holds.ts";

test("holds: the last one who lets go ends it, and only once", () => {
  const holds = new Holds();
  assert.equal(holds.isHeld, false);
  const [first, second] = [holds.add("the gateway answers late"), holds.add("the gateway answers late")];
  assert.deepEqual(holds.reasons, ["the gateway answers late", "the gateway answers late"]);
  assert.deepEqual([first(), first(), holds.isHeld], [false, false, true]);
  assert.deepEqual([second(), second(), holds.isHeld], [true, false, false]);
});
