import assert from "node:assert/strict";
import { test } from "node:test";
import { PlausibleLoss } from "../../multicast/plausible-loss.ts";

const report = (symbolsReceived: number, symbolsLost: number) => ({ state: "receiving", symbolsReceived, symbolsLost });

test("what a receiver can have lost is believed", () => {
  const loss = new PlausibleLoss();
  assert.deepEqual(loss.correct("a", report(600, 400), 1_000), report(600, 400));
  assert.deepEqual(loss.correct("a", report(0, 5_000), 6_000), report(0, 5_000));
  // What was on its way at the last report comes on top.
  assert.deepEqual(loss.correct("a", report(5_500, 1_500), 11_000), report(5_500, 1_500));
  // Nothing was sent, and the last ones arrived.
  assert.deepEqual(loss.correct("a", report(300, 100), 11_000), report(300, 100));
});

test("what nobody sent was not lost", () => {
  const loss = new PlausibleLoss();
  assert.deepEqual(loss.correct("a", report(900, 4_000_000), 1_000), report(900, 100));
  assert.deepEqual(loss.correct("b", report(2_000, 4_000_000), 1_000), report(2_000, 0));
  // The sender's count wraps.
  assert.deepEqual(loss.correct("a", report(900, 4_000_000), 2_000), report(900, 100));
  loss.correct("c", report(0, 0), 0xffff_ff00);
  assert.deepEqual(loss.correct("c", report(900, 90_000), 744), report(900, 100));
  loss.forget("c");
  assert.deepEqual(loss.correct("c", report(900, 90_000), 1_000), report(900, 100));
});
