import assert from "node:assert/strict";
import { test } from "node:test";
import { SentMeter } from "../../multicast/sent-meter.ts";

test("the rate is what was sent in the last two seconds", () => {
  const meter = new SentMeter();
  assert.equal(meter.bytesPerSecond(0), 0);
  for (let now = 0; now < 10_000; now += 10) meter.add(1_000, now);
  assert.equal(meter.bytes, 1_000_000);
  assert(Math.abs(meter.bytesPerSecond(10_000) - 100_000) < 1_000);
  // Twice as fast: after two seconds nothing of what was before counts.
  for (let now = 10_000; now < 13_000; now += 10) meter.add(2_000, now);
  assert(Math.abs(meter.bytesPerSecond(13_000) - 200_000) < 2_000);
});

test("a stream that stands still has no rate", () => {
  const meter = new SentMeter();
  for (let now = 0; now < 1_000; now += 10) meter.add(1_000, now);
  assert(meter.bytesPerSecond(1_500) < 100_000);
  assert.equal(meter.bytesPerSecond(5_000), 0);
});

test("a single datagram is no gigabit", () => {
  const meter = new SentMeter();
  meter.add(1_500, 1_000);
  assert.equal(meter.bytesPerSecond(1_000.1), 6_000);
});
