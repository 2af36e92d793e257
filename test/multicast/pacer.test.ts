import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Pacer } from "../../multicast/pacer.ts";
import { randomOf } from "./streams.ts";

const packetBytes = 1510;

/** Sends as fast as the pacer allows on a clock whose timers are late by up to `latenessMs`. */
function departures(rateBytesPerSecond: number, latenessMs: number, seed: number, forMs: number): number[] {
  const random = randomOf(seed);
  const pacer = new Pacer(rateBytesPerSecond, packetBytes, 0);
  const times: number[] = [];
  for (let now = 0; now < forMs; ) {
    const readyAt = pacer.readyAt(now);
    if (readyAt > now) {
      now = readyAt + random() * latenessMs;
      continue;
    }
    pacer.take(now);
    times.push(now);
  }
  return times;
}

/** The most bytes that left in any window of `windowMs`. */
function most(times: readonly number[], windowMs: number): number {
  let worst = 0;
  for (let first = 0, last = 0; last < times.length; last += 1) {
    while (times[last]! - times[first]! >= windowMs) first += 1;
    worst = Math.max(worst, last - first + 1);
  }
  return worst * packetBytes;
}

const cases = fc.record({
  rate: fc.integer({ min: 20_000, max: 30_000_000 }),
  latenessMs: fc.constantFrom(0, 1, 15, 100, 900),
  seed: fc.nat(),
});

test("pacer: no second carries more than the rate, however late the timers are", () => {
  fc.assert(
    fc.property(cases, ({ rate, latenessMs, seed }) => {
      const times = departures(rate, latenessMs, seed, 2_500);
      // Where a datagram is longer than 10 ms of the rate, one more can fall into a second.
      const allowed = Math.max(rate, rate * 0.99 + packetBytes) + 1e-6;
      assert(most(times, 1000) <= allowed, `${most(times, 1000)} of ${rate}`);
    }),
    { numRuns: 60 },
  );
});

test("pacer: never more than 2 ms back to back, and what was missed is paid back 5 % faster at most", () => {
  fc.assert(
    fc.property(cases, ({ rate, latenessMs, seed }) => {
      const times = departures(rate, latenessMs, seed, 1_500);
      for (const windowMs of [1, 5, 20, 100]) {
        const allowed = (rate / 1000) * 0.99 * 1.05 * windowMs + Math.max((rate / 1000) * 0.99 * 2, packetBytes) + 1e-6;
        assert(most(times, windowMs) <= allowed, `${most(times, windowMs)} in ${windowMs} ms at ${rate}`);
      }
    }),
    { numRuns: 60 },
  );
});

test("pacer: what is due at once is what may be taken one by one", () => {
  const times = fc.array(fc.double({ min: 0, max: 40, noNaN: true }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(times, fc.integer({ min: 20_000, max: 90_000_000 }), fc.nat({ max: 200 }), (list, rate, most) => {
      const together = new Pacer(rate, packetBytes, 0);
      const singly = new Pacer(rate, packetBytes, 0);
      for (const now of list.toSorted((one, other) => one - other)) {
        let taken = 0;
        for (; taken < most && singly.readyAt(now) <= now; taken += 1) singly.take(now);
        assert.equal(together.takeDue(most, now), taken);
      }
    }),
    { numRuns: 100 },
  );
});

test("pacer: reaches 97 % of the rate, and 90 % with timers that are up to 1 ms late", () => {
  for (const [latenessMs, share] of [
    [0, 0.97],
    [1, 0.9],
  ] as const) {
    for (const rate of [100_000, 2_500_000, 12_000_000, 100_000_000]) {
      const sent = departures(rate, latenessMs, 7, 2_000).length * packetBytes;
      assert(sent >= rate * 2 * share - packetBytes, `${sent / 2} of ${rate} with ${latenessMs} ms`);
    }
  }
});

test("pacer: starts without a burst and ignores a clock that steps back", () => {
  const pacer = new Pacer(1_000_000, packetBytes, 1_000);
  assert(pacer.readyAt(1_000) > 1_000);
  const at = pacer.readyAt(1_000);
  assert.equal(pacer.readyAt(500), 500 + (at - 1_000));
  assert.equal(pacer.readyAt(at + 1), at + 1);
});

test("pacer: goes by a new rate at once, and spends nothing that was saved for another", () => {
  const changes = fc.array(
    fc.record({ atMs: fc.nat({ max: 900 }), rate: fc.integer({ min: 50_000, max: 20_000_000 }) }),
    {
      minLength: 1,
      maxLength: 6,
    },
  );
  fc.assert(
    fc.property(changes, fc.integer({ min: 50_000, max: 20_000_000 }), (list, first) => {
      const plan = [{ atMs: 0, rate: first }, ...list.toSorted((one, other) => one.atMs - other.atMs)];
      const pacer = new Pacer(first, packetBytes, 0);
      const times: number[] = [];
      let step = 0;
      for (let now = 0; now < 1_000; ) {
        while (step + 1 < plan.length && plan[step + 1]!.atMs <= now) {
          step += 1;
          pacer.setRate(plan[step]!.rate);
        }
        const readyAt = pacer.readyAt(now);
        if (readyAt > now) {
          now = Math.min(readyAt, plan[step + 1]?.atMs ?? readyAt);
          continue;
        }
        pacer.take(now);
        times.push(now);
      }
      // Of each stretch at one rate: what that rate allows, and one burst at most.
      for (const [at, { atMs, rate }] of plan.entries()) {
        const endMs = plan[at + 1]?.atMs ?? 1_000;
        const sent = times.filter((time) => time >= atMs && time < endMs).length * packetBytes;
        const allowed =
          ((endMs - atMs) * rate * 0.99 * 1.05) / 1_000 + Math.max(rate * 0.002, packetBytes) + packetBytes;
        assert(sent <= allowed, `${sent} of ${allowed} from ${atMs} to ${endMs}`);
      }
    }),
    { numRuns: 100 },
  );
});
