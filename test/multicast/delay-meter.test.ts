import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DelayMeter } from "../../multicast/delay-meter.ts";
import { randomOf } from "./streams.ts";

const offsetMs = 987_654;

/** Datagrams every `everyMs` through a queue of `queueMs(now)`; the receiver looks every 4 ms, on a clock that drifts. */
function run(
  meter: DelayMeter,
  options: { fromMs: number; toMs: number; queueMs?: (now: number) => number; everyMs?: number; drift?: number },
): number | undefined {
  const { fromMs, toMs, queueMs = () => 0, everyMs = 1, drift = 0 } = options;
  const clock = (now: number) => now * (1 + drift) + offsetMs;
  for (let sent = fromMs; sent < toMs; sent += everyMs) {
    const heard = Math.ceil((sent + 0.3 + queueMs(sent)) / 4) * 4;
    meter.note(Math.floor(sent * 10) & 0xffff, clock(heard));
  }
  return meter.delayMs(clock(toMs));
}

test("delay: nothing before the first datagram, none on an empty way", () => {
  const meter = new DelayMeter();
  assert.equal(meter.delayMs(5), undefined);
  assert(run(meter, { fromMs: 0, toMs: 3_000 })! < 0.5);
  assert.equal(meter.delayMs(3_500 + offsetMs), undefined, "nothing came in the last fifth of a second");
});

test("delay: a standing queue is told, single late datagrams are not", () => {
  const meter = new DelayMeter();
  run(meter, { fromMs: 0, toMs: 2_000 });
  const queue = run(meter, { fromMs: 2_000, toMs: 2_400, queueMs: () => 8 })!;
  assert(Math.abs(queue - 8) < 1, `${queue}`);
  const random = randomOf(3);
  const late = run(meter, { fromMs: 2_400, toMs: 3_000, queueMs: () => (random() < 0.4 ? 30 : 0) })!;
  assert(late < 0.5, `${late}`);
});

test("delay: the send time's 16 bits wrap, and a slow stream is measured as well", () => {
  const meter = new DelayMeter();
  assert(run(meter, { fromMs: 6_000, toMs: 20_000, everyMs: 7 })! < 2);
  const queue = run(meter, { fromMs: 20_000, toMs: 20_500, everyMs: 7, queueMs: () => 10 })!;
  assert(queue > 8 && queue < 13, `${queue}`);
});

test("delay: clocks that drift apart look like no queue, and a queue that stands for a minute still looks like one", () => {
  for (const drift of [100e-6, 30e-6, -100e-6]) {
    const meter = new DelayMeter();
    for (let at = 0; at < 60_000; at += 5_000) {
      const delay = run(meter, { fromMs: at, toMs: at + 5_000, everyMs: 5, drift })!;
      // Until the drift is known, half a minute of it counts.
      const most = 1 + Math.max(0, drift) * 35_000;
      assert(delay < most, `${delay} after ${at} ms at ${drift}`);
    }
    const delay = run(meter, { fromMs: 60_000, toMs: 120_000, everyMs: 5, drift, queueMs: () => 10 })!;
    assert(delay > 7 && delay < 13, `${delay} at ${drift}`);
  }
});

test("delay: another clock, as of a sender that was started again, is found out", () => {
  const meter = new DelayMeter();
  run(meter, { fromMs: 0, toMs: 2_000 });
  const restarted = (sent: number) => (sent + 2_345) * 10;
  for (let sent = 2_000; sent < 2_500; sent += 1) meter.note(restarted(sent) & 0xffff, sent + offsetMs);
  assert(meter.delayMs(2_500 + offsetMs)! < 0.5);
  for (let sent = 2_500; sent < 3_000; sent += 1) meter.note((sent * 10) & 0xffff, sent + offsetMs);
  assert(meter.delayMs(3_000 + offsetMs)! < 0.5, "and in the other direction");
});

test("delay: forged send times, earlier or later than any true one, change nothing", () => {
  for (const [everyMs, forgedEveryMs] of [
    [0.2, 5],
    [1, 100],
    [7, 250],
  ] as const) {
    const meter = new DelayMeter();
    let forgeAt = 300;
    let most = 0;
    for (let sent = 0; sent < 30_000; sent += everyMs) {
      const heard = Math.ceil((sent + 0.3) / 4) * 4 + offsetMs;
      meter.note(Math.floor(sent * 10) & 0xffff, heard);
      if (sent < forgeAt) continue;
      forgeAt += forgedEveryMs;
      const lie = sent + ((forgeAt / forgedEveryMs) % 2 < 1 ? 60 : -60);
      meter.note(Math.floor(lie * 10) & 0xffff, heard);
      most = Math.max(most, meter.delayMs(heard) ?? 0);
    }
    assert(most < 3, `${most} ms with one every ${everyMs} ms`);
    const queue = run(meter, { fromMs: 30_000, toMs: 30_400, everyMs, queueMs: () => 9 })!;
    assert(queue > 6 && queue < 13, `${queue}`);
  }
});

test("delay: whatever arrives, it is a number that is not negative", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 0xffff }), fc.double({ min: 0, max: 50, noNaN: true }))), (list) => {
      const meter = new DelayMeter();
      let now = 0;
      for (const [sent, laterMs] of list) {
        now += laterMs;
        meter.note(sent, now);
        const delay = meter.delayMs(now);
        assert(delay === undefined || (Number.isFinite(delay) && delay >= 0));
      }
    }),
  );
});
