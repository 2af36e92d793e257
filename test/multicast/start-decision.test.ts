import assert from "node:assert/strict";
import { test } from "node:test";
import { type BeforeStart, reasonToStart } from "../../multicast/start-decision.ts";

const alone: BeforeStart = {
  ready: 1,
  receiving: 0,
  firstReadyAt: 1_000,
  hasStreamed: false,
  waitFor: 2,
  maxWaitMs: 0,
};

test("start: nobody ready, too few, enough", () => {
  assert.equal(reasonToStart({ ...alone, ready: 0, waitFor: 0, hasStreamed: true }, 9_000_000), undefined);
  assert.equal(reasonToStart(alone, 9_000_000), undefined, "without a longest wait it waits for all");
  assert.equal(reasonToStart({ ...alone, ready: 2 }, 1_000), "2 of 2 hosts are ready");
  assert.equal(reasonToStart({ ...alone, hasStreamed: true }, 1_000), "a host wants it again");
});

test("start: with those who are there when the longest wait is over, or when hosts had begun already", () => {
  const patient = { ...alone, maxWaitMs: 5_000 };
  assert.equal(reasonToStart(patient, 5_999), undefined);
  assert.match(reasonToStart(patient, 6_000) ?? "", /longest wait/);
  assert.equal(reasonToStart({ ...patient, firstReadyAt: undefined }, 9_000), undefined, "since now");
  const broken = { ...alone, receiving: 1 };
  assert.equal(reasonToStart(broken, 3_999), undefined);
  assert.match(reasonToStart(broken, 4_000) ?? "", /broke off/);
});
