import assert from "node:assert/strict";
import { test } from "node:test";
import { UnicastPace } from "../../../server/stream/unicast-pace.ts";

const alone = { bytesPerSecond: 2_000_000, isGroupBusy: false };
const beside = { bytesPerSecond: 2_000_000, isGroupBusy: true };
/** Half a second of the stream. */
const pack = (address: string) => ({ address, bytes: 1_000_000 });

/** The addresses whose turns come from `from` on, as long as somebody waits, and when. */
function turnsOf(pace: UnicastPace, from: number, speed = alone): [string, number][] {
  const turns: [string, number][] = [];
  for (let now = from, inMs = pace.nextInMs(now); inMs !== undefined; inMs = pace.nextInMs(now)) {
    now += inMs;
    turns.push([pace.next(speed, now)!.address, now]);
  }
  return turns;
}

test("packs by unicast go one after the other, at the stream's rate", () => {
  const pace = new UnicastPace();
  assert.equal(pace.nextInMs(100), undefined);
  for (const address of ["a", "b", "c"]) assert(pace.enter(pack(address), alone, 100));
  assert.deepEqual(turnsOf(pace, 100), [
    ["a", 100],
    ["b", 600],
    ["c", 1_100],
  ]);
  assert.equal(pace.next(alone, 5_000), undefined);
  assert(pace.enter(pack("a"), alone, 5_000));
  assert.equal(pace.nextInMs(5_000), 0);
});

test("while the group is sent to, packs take half of the rate, and the group the other half", () => {
  const pace = new UnicastPace();
  let now = 0;
  let sentMs = 0;
  let pausedMs = 0;
  for (let count = 0; count < 10; count += 1) {
    assert(pace.enter(pack("a"), beside, now));
    now += pace.nextInMs(now)!;
    assert(pace.next(beside, now));
    sentMs += 500;
    pausedMs += pace.groupPauseMs(now);
  }
  assert.equal(now, 9_000);
  assert.equal(pausedMs, sentMs);
  assert.equal(pace.groupPauseMs(now + 500), 0);
});

test("a row that is too long is refused, and a tiny rate does not stop everything", () => {
  const pace = new UnicastPace();
  const slow = { bytesPerSecond: 1_000, isGroupBusy: false };
  assert(pace.enter(pack("a"), slow, 0));
  assert(pace.next(slow, 0));
  assert.equal(pace.groupPauseMs(0), 2_000);
  const entered = Array.from({ length: 7 }, () => pace.enter(pack("a"), slow, 0));
  assert.deepEqual(entered, [true, true, true, true, true, true, false]);
});

test("an address that asks without end fills its own row only: the others have their turns at once", () => {
  const pace = new UnicastPace();
  let entered = 0;
  for (let asked = 0; asked < 1_000; asked += 1) if (pace.enter(pack("flood"), alone, 0)) entered += 1;
  assert.equal(entered, 25, "12 s of packs");
  for (const address of ["b", "c", "b"]) assert(pace.enter(pack(address), alone, 0), address);
  const turns = turnsOf(pace, 0).map(([address]) => address);
  assert.deepEqual(turns.slice(0, 6), ["flood", "b", "c", "flood", "b", "flood"]);
  assert.equal(turns.length, 28);
  // Also while its row is never empty.
  for (let now = 20_000; now < 60_000; now += 500) {
    while (pace.enter(pack("flood"), alone, now));
    if (now % 5_000 === 0) {
      assert(pace.enter(pack("late"), alone, now));
      const next = [now, now + 500].map((at) => pace.next(alone, at)?.address);
      assert(next.includes("late"), `${now}: ${next}`);
      now += 500;
    } else assert.equal(pace.next(alone, now)?.address, "flood");
  }
});

test("small packs of one address are counted, too", () => {
  const pace = new UnicastPace();
  let entered = 0;
  while (pace.enter({ address: "flood", bytes: 1 }, alone, 0)) entered += 1;
  assert.equal(entered, 128);
  assert(pace.enter({ address: "b", bytes: 1 }, alone, 0));
});

test("who goes away gives up the place, once", () => {
  const pace = new UnicastPace();
  const [first, second, third] = [pack("a"), pack("a"), pack("b")];
  for (const turn of [first, second, third]) assert(pace.enter(turn, alone, 0));
  pace.leave(first);
  pace.leave(first);
  pace.leave(third);
  assert.equal(pace.next(alone, 0), second);
  pace.leave(second);
  assert.equal(pace.nextInMs(0), undefined);
  assert.equal(pace.nextInMs(400), undefined);
});
