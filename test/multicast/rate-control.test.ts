import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RateControl, type RateMode, rateModes } from "../../multicast/rate-control.ts";

const ceiling = 12_000_000;
const everyMs = 300;

/** Reports of `hosts` for so long; what each says may depend on the rate. */
function report(
  control: RateControl,
  options: {
    fromMs: number;
    toMs: number;
    hosts?: number;
    delayMs?: (host: number, rate: number) => number | undefined;
    loss?: (host: number, rate: number) => number;
    symbols?: number;
  },
): void {
  const { fromMs, toMs, hosts = 1, delayMs = () => 0, loss = () => 0, symbols = 1_000 } = options;
  for (let now = fromMs; now < toMs; now += everyMs) {
    for (let host = 0; host < hosts; host += 1) {
      const rate = control.rateBytesPerSecond;
      const symbolsLost = Math.round(symbols * loss(host, rate));
      const delay = delayMs(host, rate);
      control.onReport(`${host}`, { symbolsReceived: symbols - symbolsLost, symbolsLost, delayMs: delay }, now + host);
    }
  }
}

function open(mode: RateMode): RateControl {
  return new RateControl({ mode, ceilingBytesPerSecond: ceiling, now: 0 });
}

test("rate: fixed stays, whatever is reported", () => {
  const control = open("fixed");
  report(control, { fromMs: 0, toMs: 5_000, delayMs: () => 50, loss: () => 0.5 });
  assert.deepEqual([control.rateBytesPerSecond, control.why], [ceiling, ""]);
});

test("rate: the others begin lower and reach the ceiling where nothing is in the way", () => {
  for (const [mode, start, withinMs] of [
    ["normal", 0.5, 1_500],
    ["background", 0.1, 6_000],
  ] as const) {
    const control = open(mode);
    assert.equal(control.rateBytesPerSecond, ceiling * start);
    report(control, { fromMs: 0, toMs: withinMs });
    assert.deepEqual([control.rateBytesPerSecond, control.why], [ceiling, ""]);
  }
});

test("rate: a queue that stays makes background fall to a fiftieth, normal to less than a third", () => {
  for (const [mode, least] of [
    ["normal", 0.27],
    ["background", 0.02],
  ] as const) {
    const control = open(mode);
    report(control, { fromMs: 0, toMs: 6_000 });
    report(control, { fromMs: 6_000, toMs: 12_000, delayMs: () => 12 });
    assert(Math.abs(control.rateBytesPerSecond / ceiling - least) < 0.01, `${control.rateBytesPerSecond / ceiling}`);
    assert.match(control.why, /wait 12 ms/);
    report(control, { fromMs: 12_000, toMs: 40_000 });
    assert.equal(control.rateBytesPerSecond, ceiling);
  }
});

test("rate: what one host of several suffers is its own trouble", () => {
  for (const hosts of [2, 3, 16]) {
    const control = open("normal");
    report(control, {
      fromMs: 0,
      toMs: 10_000,
      hosts,
      delayMs: (host) => (host === 0 ? 30 : 0),
      loss: (host) => (host === 0 ? 0.9 : 0),
    });
    assert.equal(control.rateBytesPerSecond, ceiling, `${hosts} hosts`);
  }
});

test("rate: loss of a link that is too narrow makes it fit; loss of a bad cable costs one look", () => {
  const narrow = open("normal");
  const link = ceiling * 0.3;
  const lossOf = (rate: number) => Math.max(0, 1 - link / rate);
  report(narrow, { fromMs: 0, toMs: 20_000, loss: (_, rate) => lossOf(rate) });
  assert(narrow.rateBytesPerSecond < link * 1.1, `${narrow.rateBytesPerSecond / link}`);
  assert(narrow.rateBytesPerSecond > link * 0.6, `${narrow.rateBytesPerSecond / link}`);

  const cable = open("normal");
  report(cable, { fromMs: 0, toMs: 6_000, loss: () => 0.1 });
  assert.equal(cable.rateBytesPerSecond, ceiling);
  // It became worse: another look.
  report(cable, { fromMs: 6_000, toMs: 12_000, loss: () => 0.2 });
  assert.equal(cable.rateBytesPerSecond, ceiling);
});

test("rate: loss that was measured before is not taken for congestion", () => {
  const control = new RateControl({ mode: "normal", ceilingBytesPerSecond: ceiling, now: 0, usualLoss: 0.1 });
  let least = Number.POSITIVE_INFINITY;
  for (let now = 0; now < 6_000; now += everyMs) {
    report(control, { fromMs: now, toMs: now + everyMs, loss: () => 0.1 });
    least = Math.min(least, control.rateBytesPerSecond);
  }
  assert.equal(least, ceiling * 0.5);
});

test("rate: loss of the burst before the first symbol is tried out, that of a bad cable costs one look", () => {
  const burst = { answered: 3, datagrams: 64, lossShare: 0.4 };
  for (const mode of ["normal", "background"] as const) {
    const control = open(mode);
    const start = control.rateBytesPerSecond;
    control.onBurst({ ...burst, lossShare: 0.04 }, 0);
    control.onBurst({ ...burst, answered: 0 }, 0);
    assert.equal(control.rateBytesPerSecond, start, "chance, or nobody");
    control.onBurst(burst, 0);
    assert(control.rateBytesPerSecond <= start * 0.6);
    report(control, { fromMs: 300, toMs: 15_000, loss: () => 0.4 });
    assert.equal(control.rateBytesPerSecond, ceiling, "a bad cable");
  }
  const narrow = open("normal");
  narrow.onBurst(burst, 0);
  const link = ceiling * 0.3;
  let most = 0;
  for (let now = 300; now < 10_000; now += everyMs) {
    report(narrow, { fromMs: now, toMs: now + everyMs, loss: (_, rate) => Math.max(0, 1 - link / rate) });
    most = Math.max(most, narrow.rateBytesPerSecond);
  }
  assert(most < link * 1.3, `${most / link}`);
  const fixed = open("fixed");
  fixed.onBurst(burst, 0);
  assert.equal(fixed.rateBytesPerSecond, ceiling);
});

test("rate: receivers that tell no delay are judged by loss", () => {
  const control = open("background");
  report(control, { fromMs: 0, toMs: 8_000, delayMs: () => undefined });
  assert.equal(control.rateBytesPerSecond, ceiling);
});

test("rate: it does not run away from what others let it send", () => {
  const control = open("normal");
  control.limit(ceiling / 10);
  report(control, { fromMs: 0, toMs: 10_000 });
  assert(control.rateBytesPerSecond <= (ceiling / 10) * 1.5);
  control.limit(ceiling);
  report(control, { fromMs: 10_000, toMs: 15_000 });
  assert.equal(control.rateBytesPerSecond, ceiling);
});

test("rate: hosts that are gone have no say", () => {
  const control = open("background");
  report(control, { fromMs: 0, toMs: 6_000 });
  report(control, { fromMs: 6_000, toMs: 6_300, hosts: 3, delayMs: () => 20 });
  for (const host of ["1", "2"]) control.forget(host);
  report(control, { fromMs: 6_600, toMs: 40_000 });
  assert.equal(control.rateBytesPerSecond, ceiling);
});

test("rate: any reports leave it between a fiftieth and the ceiling", () => {
  const word = fc.record({
    host: fc.nat({ max: 3 }),
    afterMs: fc.nat({ max: 1_500 }),
    symbolsReceived: fc.nat({ max: 5_000 }),
    symbolsLost: fc.nat({ max: 5_000 }),
    delayMs: fc.option(fc.double({ min: 0, max: 5_000, noNaN: true }), { nil: undefined }),
    limit: fc.option(fc.double({ min: 1, max: 1e9, noNaN: true }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.constantFrom(...rateModes), fc.array(word, { maxLength: 200 }), (mode, words) => {
      const control = open(mode);
      let now = 0;
      for (const { host, afterMs, limit, ...said } of words) {
        now += afterMs;
        if (limit !== undefined) control.limit(limit);
        control.onReport(`${host}`, said, now);
        const rate = control.rateBytesPerSecond;
        assert(rate >= ceiling * 0.02 && rate <= ceiling, `${rate}`);
      }
    }),
  );
});
