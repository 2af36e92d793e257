import assert from "node:assert/strict";
import { test } from "node:test";
import { burstFinding, FloodReports } from "../../../server/stream/lan-reports.ts";

test("flooding is told once, and more important than that there is none", () => {
  const reports = new FloodReports();
  assert.equal(reports.onReport("lab-01", undefined), undefined);
  assert.equal(reports.onReport("lab-01", false)?.status, "ok");
  assert.equal(reports.onReport("lab-02", false), undefined);
  const flooded = reports.onReport("lab-03", true);
  assert.equal(flooded?.status, "warn");
  assert.match(flooded?.detail ?? "", /reached lab-03 before it had asked/);
  assert.equal(reports.onReport("lab-04", true), undefined);
  assert.equal(reports.onReport("lab-05", false), undefined);
});

test("what is said of a burst: well, one bad cable, a network that does not take the rate, old agents", () => {
  const result = { lossShare: 0, worstLossShare: 0.01, worst: "a", answered: 2, asked: 2, datagrams: 64 };
  const find = (change: Partial<typeof result>) => burstFinding({ ...result, ...change }, 12e6, (id) => `lab-${id}`);
  assert.deepEqual(find({}), {
    probe: "canary",
    status: "ok",
    detail: "Of a burst at 12.0 MB/s 0.0 % were lost by ordinary receivers (2 of 2), 1.0 % at worst.",
  });
  assert.match(find({ worstLossShare: 0.3 }).fix ?? "", /cable and the port of lab-a/);
  assert.match(find({ lossShare: 0.2, worstLossShare: 0.3 }).fix ?? "", /lower one/);
  assert.match(find({ answered: 0 }).detail, /Nobody told/);
});
