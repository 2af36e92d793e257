import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TRIAL_MS, Yielding } from "../../multicast/yielding.ts";

const least = 2;

test("yielding: others who take what is left to them have the card until they send less", () => {
  const yielding = new Yielding();
  const at = (now: number, others: number, rate = 40) => yielding.onOthers({ rate, least, others }, now);
  at(0, 3);
  assert(!yielding.isAway, "answers and names are nobody");
  at(100, 55);
  assert(yielding.isAway, "a trial");
  assert.equal(at(100 + TRIAL_MS - 1, 60).verdict, "stay");
  assert.equal(at(100 + TRIAL_MS, 90).verdict, "stay");
  assert(yielding.isAway);
  at(60_000, 93);
  at(120_000, 70);
  assert(yielding.isAway, "a short breath is no end");
  at(120_100, 60);
  assert(!yielding.isAway);
  at(120_200, 60, 2 * least);
  assert(!yielding.isAway, "what it sends at first is in nobody's way");
  at(120_300, 60, 5);
  assert(yielding.isAway);
});

test("yielding: others who do not mind cost two seconds, once in half a minute or when the stream is twice as fast", () => {
  const yielding = new Yielding();
  const at = (now: number, rate: number) => yielding.onOthers({ rate, least, others: 30 }, now);
  at(0, 40);
  assert(yielding.isAway);
  assert.deepEqual(at(TRIAL_MS, 40), { verdict: "back", rateBefore: 40 });
  at(20_000, 79);
  assert(!yielding.isAway);
  at(20_001, 80);
  assert(yielding.isAway);
  assert.deepEqual(at(30_000, 80), { verdict: "back", rateBefore: 80 });
  at(59_999, 80);
  assert(!yielding.isAway);
  at(60_000, 80);
  assert(yielding.isAway);
});

test("yielding: whatever the card counts, nobody else means that it is not away for longer than a trial", () => {
  const rate = fc.double({ min: 0, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(fc.array(fc.tuple(rate, rate, fc.nat(5_000)), { maxLength: 40 }), (samples) => {
      const yielding = new Yielding();
      let now = 0;
      for (const [own, others, waitMs] of samples) {
        now += waitMs;
        yielding.onOthers({ rate: own, least, others }, now);
      }
      for (const later of [0, TRIAL_MS, 2 * TRIAL_MS])
        yielding.onOthers({ rate: least, least, others: 0 }, now + later);
      assert(!yielding.isAway);
    }),
  );
});
