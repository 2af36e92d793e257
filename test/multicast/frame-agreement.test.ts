import assert from "node:assert/strict";
import { test } from "node:test";
import { whyOrdinary } from "../../multicast/frame-agreement.ts";

const large = 8_952;

test("frames: a host that says nothing against large symbols, or goes by them, keeps them", () => {
  assert.equal(whyOrdinary({ name: "new", symbolBytes: large }, large), undefined);
  assert.equal(whyOrdinary({ name: "new", symbolBytes: large, mtuBytes: 9_000 }, large), undefined);
  assert.equal(whyOrdinary({ name: "old" }, 1_452), undefined);
  assert.equal(whyOrdinary({ name: "small", mtuBytes: 1_500 }, 1_452), undefined);
});

test("frames: a card that does not carry them, or an agent that goes by smaller ones, is the reason against them", () => {
  assert.equal(
    whyOrdinary({ name: "a", symbolBytes: large, mtuBytes: 1_500 }, large),
    "the card of a carries 1500 bytes",
  );
  assert.equal(whyOrdinary({ name: "b", symbolBytes: 1_452, mtuBytes: 9_000 }, large), "b goes by smaller ones");
  assert.equal(whyOrdinary({ name: "c" }, large), "c goes by smaller ones");
});
