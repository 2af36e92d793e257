import assert from "node:assert/strict";
import { test } from "node:test";
import { type BottleneckPlan, simulateBottleneck } from "./bottleneck.ts";

/** Streams through one queue, beside a TCP flow that takes what it gets. Rates in Mbit/s; a seed repeats a run. */
const megabit = 1e6 / 8;
const tcp = { fromMs: 10_000, toMs: 30_000 };

function plan(change: Partial<BottleneckPlan> & Pick<BottleneckPlan, "mode">): BottleneckPlan {
  const link = 100 * megabit;
  return { seed: 1, ceiling: link, link, queueBytes: link * 0.04, hosts: 4, forMs: 30_000, ...change };
}

for (const hosts of [1, 2, 16]) {
  test(`alone, ${hosts} hosts: the rate that was asked for, without a queue`, () => {
    for (const mode of ["normal", "background"] as const) {
      const run = simulateBottleneck(plan({ mode, hosts, forMs: 15_000 }));
      const mbit = run.stream(6_000, 15_000) / megabit;
      assert(mbit >= 97, `${mode}: ${mbit}`);
      assert(run.delayMs(99, 6_000, 15_000) < 1);
      assert(run.mostRate <= 100 * megabit);
    }
  });

  test(`alone, ${hosts} hosts, a link of a fifth of the rate: 90 % of it, and a short queue`, () => {
    for (const mode of ["normal", "background"] as const) {
      const run = simulateBottleneck(plan({ mode, hosts, ceiling: 500 * megabit, forMs: 60_000 }));
      const mbit = run.stream(15_000, 60_000) / megabit;
      assert(mbit >= 90, `${mode}: ${mbit}`);
      const delays = [50, 99].map((percent) => run.delayMs(percent, 15_000, 60_000));
      assert(delays[0]! < 2 && delays[1]! < 12, `${mode}: ${delays}`);
    }
  });
}

for (const hosts of [1, 2, 16, 200]) {
  test(`beside a TCP flow, ${hosts} hosts: background leaves it 90 Mbit/s, normal two thirds; then both come back`, () => {
    // In the switch, and in the server's own queue, where the system lets it have 128 kB.
    for (const flow of [tcp, { ...tcp, mostQueuedBytes: 128 * 1024 }]) {
      const background = simulateBottleneck(plan({ mode: "background", hosts, tcp: flow, forMs: 60_000 }));
      const left = background.tcp(12_000, 30_000) / megabit;
      assert(left >= 90, `background leaves ${left}`);
      assert(background.stream(40_000, 60_000) / megabit >= 90);
      const normal = simulateBottleneck(plan({ mode: "normal", hosts, tcp: flow, forMs: 60_000 }));
      const shared = [normal.tcp(12_000, 30_000) / megabit, normal.stream(12_000, 30_000) / megabit];
      assert(shared[0]! >= 60 && shared[1]! >= 25, `normal: ${shared}`);
      assert(normal.stream(35_000, 60_000) / megabit >= 95);
    }
  });
}

for (const hosts of [1, 2, 16]) {
  test(`a TCP flow of the server's own that was there first, ${hosts} hosts: background makes room, and comes back`, () => {
    // It fills its queue before the stream measures any delay, so no delay rises.
    const flow = { fromMs: 0, toMs: 40_000, mostQueuedBytes: 128 * 1024, isOfServer: true };
    const run = simulateBottleneck(plan({ mode: "background", hosts, tcp: flow, forMs: 60_000 }));
    const left = run.tcp(6_000, 40_000) / megabit;
    assert(left >= 90, `background leaves ${left}`);
    assert(run.stream(48_000, 60_000) / megabit >= 90);
  });

  test(`others who need no more than they have, ${hosts} hosts: background takes the rest`, () => {
    const flow = { fromMs: 0, toMs: 90_000, most: 30 * megabit, isOfServer: true };
    const run = simulateBottleneck(plan({ mode: "background", hosts, tcp: flow, forMs: 90_000 }));
    const shares = [run.tcp(5_000, 90_000) / megabit, run.stream(30_000, 90_000) / megabit];
    assert(shares[0]! >= 29 && shares[1]! >= 50, `${shares}`);
  });
}

test("loss by chance costs next to nothing, and clocks that drift cost nothing", () => {
  const run = simulateBottleneck(
    plan({
      mode: "normal",
      hosts: 16,
      ceiling: 50 * megabit,
      loss: () => 0.05,
      drift: (host) => (host % 2 === 0 ? 50e-6 : -50e-6),
    }),
  );
  const mbit = run.stream(0, 30_000) / megabit;
  // 98 % of the rate is what the pacer sends.
  assert(mbit >= 50 * 0.98 * 0.95, `${mbit}`);
  const drifting = simulateBottleneck(plan({ mode: "background", hosts: 1, forMs: 120_000, drift: () => 40e-6 }));
  const late = drifting.stream(60_000, 120_000) / megabit;
  assert(late >= 95, `${late}`);
});

test("one host of four behind a bad cable does not slow the room", () => {
  const run = simulateBottleneck(plan({ mode: "normal", loss: (host) => (host === 0 ? 0.5 : 0) }));
  assert(run.stream(3_000, 30_000) / megabit >= 97);
});
