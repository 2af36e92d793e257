import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Budget, fairShares } from "../../../server/stream/budget.ts";

test("budget: each gets what it wants, or as much as all others who want that much", () => {
  for (const [most, wanted, shares] of [
    [100, [40], [40]],
    [100, [150], [100]],
    [100, [60, 60], [50, 50]],
    [100, [10, 80, 90], [10, 45, 45]],
    [100, [1, 30, 40], [1, 30, 40]],
    [Number.POSITIVE_INFINITY, [10, 1e9], [10, 1e9]],
  ] as const) {
    assert.deepEqual(fairShares(wanted, most), shares);
  }
});

test("budget: what one does not want or leaves behind, the others get", () => {
  const budget = new Budget(100);
  let first = 0;
  let second = 0;
  const one = budget.join((rate) => {
    first = rate;
  });
  const other = budget.join((rate) => {
    second = rate;
  });
  one.want(90);
  assert.deepEqual([first, second], [90, 0]);
  other.want(80);
  assert.deepEqual([first, second], [50, 50]);
  one.want(20);
  assert.deepEqual([first, second], [20, 80]);
  other.close();
  one.want(100);
  assert.deepEqual([first, second], [100, 80], "who is gone is told nothing");
  other.want(10);
  assert.equal(first, 100);
});

test("budget: streams never exceed it together, also while shares change, and waste nothing that is wanted", () => {
  const step = fc.record({
    who: fc.nat({ max: 4 }),
    want: fc.option(fc.integer({ min: 0, max: 200 }), { freq: 5 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const budget = new Budget(100);
      const granted = new Map<number, number>();
      const wanted = new Map<number, number>();
      const shares = new Map<number, ReturnType<Budget["join"]>>();
      const sum = (of: Map<number, number>) => [...of.values()].reduce((total, one) => total + one, 0);
      for (const { who, want } of steps) {
        if (want === null) {
          granted.delete(who);
          wanted.delete(who);
          shares.get(who)?.close();
          shares.delete(who);
        } else {
          const share =
            shares.get(who) ??
            budget.join((rate) => {
              granted.set(who, rate);
              assert(sum(granted) <= 100 + 1e-9, `${sum(granted)}`);
            });
          shares.set(who, share);
          wanted.set(who, want);
          share.want(want);
        }
        const most = Math.min(100, sum(wanted));
        assert(Math.abs(sum(granted) - most) < 1e-9, `${sum(granted)} of ${most}`);
        for (const [one, rate] of granted) assert(rate <= (wanted.get(one) ?? 0) + 1e-9);
      }
    }),
  );
});
