import assert from "node:assert/strict";
import { test } from "node:test";
import { UnicastPace } from "../../../server/stream/unicast-pace.ts";

const pack = { bytes: 1_000_000, bytesPerSecond: 2_000_000 };

test("packs by unicast go one after the other, at the stream's rate", () => {
  const pace = new UnicastPace();
  assert.equal(pace.admit({ ...pack, isGroupBusy: false }, 100), 0);
  assert.equal(pace.admit({ ...pack, isGroupBusy: false }, 100), 500);
  assert.equal(pace.admit({ ...pack, isGroupBusy: false }, 200), 900);
  assert.equal(pace.admit({ ...pack, isGroupBusy: false }, 5_000), 0);
});

test("while the group is sent to, packs take half of the rate, and the group the other half", () => {
  const pace = new UnicastPace();
  let now = 0;
  let sentMs = 0;
  let pausedMs = 0;
  for (let count = 0; count < 10; count += 1) {
    now += pace.admit({ ...pack, isGroupBusy: true }, now)!;
    pace.onSent(pack.bytes, pack.bytesPerSecond, now);
    sentMs += 500;
    pausedMs += pace.groupPauseMs(now);
  }
  assert.equal(now, 9_000);
  assert.equal(pausedMs, sentMs);
  assert.equal(pace.groupPauseMs(now + 500), 0);
});

test("a row that is too long is refused, and a tiny rate does not stop everything", () => {
  const pace = new UnicastPace();
  const slow = { bytes: 1_000_000, bytesPerSecond: 1_000, isGroupBusy: false };
  const waits = Array.from({ length: 8 }, () => pace.admit(slow, 0));
  assert.deepEqual(waits, [0, 2_000, 4_000, 6_000, 8_000, 10_000, 12_000, undefined]);
  pace.onSent(1_000_000, 1_000, 0);
  assert.equal(pace.groupPauseMs(0), 2_000);
});
