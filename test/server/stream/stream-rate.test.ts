import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pace } from "../../../multicast/pacer.ts";
import type { RateMode } from "../../../multicast/rate-control.ts";
import type { Receiver } from "../../../multicast/roster.ts";
import { Budget } from "../../../server/stream/budget.ts";
import { InterfaceBudgets } from "../../../server/stream/interface-budgets.ts";
import { InterfaceTraffic } from "../../../server/stream/interface-traffic.ts";
import { StreamRate } from "../../../server/stream/stream-rate.ts";

function streamOf(budget: Budget, mode: RateMode, ceilingBytesPerSecond: number, card?: () => number) {
  let paced = 0;
  const pace: Pace = {
    readyAt: (now) => now,
    take: () => undefined,
    setRate: (rate) => {
      paced = rate;
    },
  };
  const rate = new StreamRate({
    mode,
    ceilingBytesPerSecond,
    pace,
    shared: { budget, traffic: new InterfaceTraffic(card ?? (() => undefined)) },
    now: 0,
  });
  return { rate, paced: () => paced };
}

test("rate: two streams share a budget, and one that only waits leaves it to the other", () => {
  const budget = new Budget(10e6);
  const one = streamOf(budget, "fixed", 12e6);
  const other = streamOf(budget, "fixed", 12e6);
  one.rate.onState(true);
  assert.equal(one.paced(), 10e6 - other.paced());
  assert(other.paced() < 0.3e6 && other.paced() > 0.1e6, "canaries");
  other.rate.onState(true);
  assert.deepEqual([one.paced(), other.paced()], [5e6, 5e6]);
  assert.equal(one.rate.why, "other streams share the interface");
  one.rate.close();
  assert.equal(other.paced(), 10e6);
});

test("rate: what is fetched by unicast is of the budget, also while the group is quiet", () => {
  const budget = new Budget(10e6);
  const one = streamOf(budget, "fixed", 12e6);
  const other = streamOf(budget, "fixed", 12e6);
  one.rate.onState(true);
  assert.equal(other.rate.onUnicast(), 5e6);
  assert.deepEqual([one.paced(), other.paced()], [5e6, 5e6]);
  other.rate.close();
  assert.equal(one.paced(), 10e6);
  assert.equal(other.rate.onUnicast(), 12e6, "it is nobody's share any more");
  assert.equal(one.paced(), 10e6);
  one.rate.close();
});

test("rate: reports change the pace, and what a stream gives up goes to the other", () => {
  const budget = new Budget(10e6);
  const polite = streamOf(budget, "background", 10e6);
  const firm = streamOf(budget, "fixed", 10e6);
  polite.rate.onState(true);
  firm.rate.onState(true);
  assert.equal(polite.paced(), 1e6);
  const report = (delayMs: number) => ({ symbolsReceived: 500, symbolsLost: 0, delayMs });
  for (let now = 0; now < 10_000; now += 300) polite.rate.onReport("a", report(0), now);
  assert.deepEqual([polite.paced(), firm.paced()], [5e6, 5e6]);
  for (let now = 10_000; now < 20_000; now += 300) polite.rate.onReport("a", report(20), now);
  assert(polite.paced() < 1e6);
  assert.equal(firm.paced(), 10e6 - polite.paced());
  assert.match(polite.rate.why, /wait 20 ms/);
});

test("rate: background leaves the card to what else the server sends, until that ends; unicast is its own", () => {
  let card = 0;
  const { rate, paced } = streamOf(new Budget(1e9), "background", 10e6, () => card);
  rate.onState(true);
  const report = { symbolsReceived: 500, symbolsLost: 0, delayMs: 0 };
  const most = 10e6;
  let now = 0;
  const goOn = (forMs: number, others: (own: number) => number) => {
    for (const end = now + forMs; now < end; now += 100) {
      const own = paced() / 10;
      rate.onSent(own);
      card += own + others(own * 10) / 10;
      rate.onReport("a", report, now);
    }
  };
  goOn(5_000, () => 0);
  assert.equal(paced(), most);
  goOn(10_000, (own) => Math.max(0.4 * most, most - own));
  assert(paced() <= most * 0.02, `${paced()}`);
  assert.match(rate.why, /same network card/);
  goOn(10_000, () => 0);
  assert.equal(paced(), most);
});

test("rate: what the burst before the first symbol lost lowers the first rate", () => {
  const { rate, paced } = streamOf(new Budget(1e9), "normal", 10e6);
  rate.onState(true);
  const burst = { lossShare: 0.3, worstLossShare: 0.3, worst: "a", answered: 2, asked: 2, datagrams: 64 };
  rate.onBurst({ ...burst, lossShare: 0.01 }, 10);
  assert.equal(paced(), 5e6);
  rate.onBurst(burst, 20);
  assert(paced() < 3.5e6, `${paced()}`);
});

test("rate: receivers report often while they are few, and never more often than helps", () => {
  const { rate } = streamOf(new Budget(1e9), "normal", 1e6);
  const receiver = { id: "a", state: "ready" } as Receiver;
  const everyMs = [1, 10, 100, 500].map((active) => {
    rate.onReceiver("a", receiver, active);
    return rate.reportEveryMs;
  });
  assert.deepEqual(everyMs, [200, 600, 1_000, 5_000]);
  assert.equal(streamOf(new Budget(1e9), "fixed", 1e6).rate.reportEveryMs, 1_000);
});

test("budgets: all addresses of an interface have one; what a card cannot tell has no end", () => {
  const budgets = new InterfaceBudgets(5e6);
  assert.equal(budgets.of("127.0.0.1"), budgets.of("127.0.0.1"));
  assert.notEqual(budgets.of("127.0.0.1"), budgets.of("192.0.2.9"));
  const open = streamOf(new InterfaceBudgets().of("127.0.0.1").budget, "fixed", 40e9);
  open.rate.onState(true);
  assert.equal(open.paced(), 40e9);
});
