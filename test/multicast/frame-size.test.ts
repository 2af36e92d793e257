import assert from "node:assert/strict";
import { test } from "node:test";
import { packetBytesOfSymbol, symbolBytesOf, symbolBytesOfMtu } from "../../multicast/frame-size.ts";

test("frame size: a symbol fills the packet that the link carries, and no larger one than 9000", () => {
  assert.equal(symbolBytesOfMtu(9_000), 8_952);
  assert.equal(symbolBytesOfMtu(65_536), 8_952);
  assert.equal(symbolBytesOfMtu(1_500), 1_452);
  assert.equal(packetBytesOfSymbol(8_952), 9_000);
});

test("frame size: large where the link has it and the rate stays even, ordinary otherwise", () => {
  const gigabit = 125_000_000;
  assert.equal(symbolBytesOf({ mtuBytes: 9_000, rateBytesPerSecond: gigabit }), 8_952);
  assert.equal(symbolBytesOf({ mtuBytes: 4_000, rateBytesPerSecond: gigabit }), 3_952);
  for (const mtuBytes of [576, 1_280, 1_500, 2_000, Number.NaN])
    assert.equal(symbolBytesOf({ mtuBytes, rateBytesPerSecond: gigabit }), 1_452);
  // 2 ms of 25 Mbit/s are 6250 bytes on the wire; of 10 Mbit/s no two ordinary frames.
  assert.equal(symbolBytesOf({ mtuBytes: 9_000, rateBytesPerSecond: 3_125_000 }), 6_250 - 62);
  assert.equal(symbolBytesOf({ mtuBytes: 9_000, rateBytesPerSecond: 1_250_000 }), 1_452);
});
