import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamLayout } from "../../multicast/layout.ts";
import { RepairPlan } from "../../multicast/repair-plan.ts";
import { descriptionOf } from "./streams.ts";

function plan() {
  const layout = new StreamLayout(descriptionOf([5120], {}), [{ storedBytes: 5120 }]);
  return new RepairPlan(layout);
}

/** How many repairs are sent now, from datagram `sequence` on. */
function sendAll(repairs: RepairPlan, sequence: number, now: number): number {
  for (let sent = 0; ; sent += 1) if (repairs.take(sequence + sent, now) === undefined) return sent;
}

test("repairs: what was sent after the newest that a receiver had may still help it", () => {
  const repairs = plan();
  repairs.ask(2, { lacking: 3, newest: 100, now: 0 }, 0);
  assert.equal(sendAll(repairs, 101, 0), 3);
  repairs.ask(2, { lacking: 3, newest: 100, now: 50 }, 0);
  assert.equal(sendAll(repairs, 104, 50), 0);
  repairs.ask(2, { lacking: 1, newest: 104, now: 60 }, 0);
  assert.equal(sendAll(repairs, 105, 60), 1, "it had all of them, and one was lost");
});

test("repairs: a newest number that was forged holds them back for two seconds, not for ever", () => {
  const repairs = plan();
  const forged = 50;
  repairs.ask(2, { lacking: 3, newest: 100, now: 0 }, 0);
  assert.equal(sendAll(repairs, 101, 0), 3);
  repairs.ask(2, { lacking: 3, newest: forged, now: 1_000 }, 0);
  assert.equal(sendAll(repairs, 104, 1_000), 0);
  repairs.ask(2, { lacking: 3, newest: forged, now: 2_000 }, 0);
  assert.equal(sendAll(repairs, 104, 2_000), 3);
});
