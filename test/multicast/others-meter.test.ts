import assert from "node:assert/strict";
import { test } from "node:test";
import { OthersMeter } from "../../multicast/others-meter.ts";

test("others: what the card counts without our own, as the mean of a second", () => {
  const meter = new OthersMeter();
  for (let now = 0; now <= 3_000; now += 100) {
    assert(meter.isDue(now));
    // Others begin after a second and a half.
    meter.look(now * 500 + Math.max(0, now - 1_500) * 200, now);
    meter.addOwn(100 * 500);
    if (now < 1_000) assert.equal(meter.bytesPerSecond, undefined);
    if (now === 1_500) assert.equal(meter.bytesPerSecond, 0);
    if (now === 2_000) assert.equal(meter.bytesPerSecond, 100_000);
  }
  assert.equal(meter.bytesPerSecond, 200_000);
  assert(!meter.isDue(3_099));
});

test("others: what waits in our own queue is nobody's, and a counter that begins anew is no traffic", () => {
  const meter = new OthersMeter();
  meter.look(0, 0);
  meter.addOwn(1_000_000);
  meter.look(400_000, 1_000);
  assert.equal(meter.bytesPerSecond, 0);
  meter.look(10, 1_100);
  assert.equal(meter.bytesPerSecond, undefined);
  meter.look(50_010, 2_100);
  assert.equal(meter.bytesPerSecond, 50_000);
});
