import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Reporter } from "../../../agent/client/reporter.ts";
import { MOST_LOG_LETTERS, type Report } from "../../../agent/contract.ts";
import { logEnd } from "../../../agent/machine/log-end.ts";
import { Fault } from "../../../fault.ts";
import { fakeClock } from "../fake-clock.ts";

test("the end of a log: whole lines, without reports, and never more than a report takes", () => {
  const report = '{"level":30,"report":{"state":"receiving","percent":3},"msg":"report"}';
  assert.equal(logEnd(`a\n${report}\nb\n`), "a\nb");
  assert.equal(logEnd("first\nsecond\nthird\n", 13), "second\nthird");
  assert.equal(logEnd("far too long\n", 5), "");
  assert.equal(logEnd(""), "");
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), fc.integer({ min: 0, max: 100 }), (text, most) => {
      const end = logEnd(text, most);
      assert(end.length <= most);
      for (const line of end.split("\n")) assert(text.split("\n").includes(line) || end === "");
    }),
    { numRuns: 200 },
  );
});

test("it goes with the last word, and with no other report", async () => {
  const sent: Report[] = [];
  const client = { report: async (_: unknown, report: Report) => sent.push(report) && { proceed: true, reason: "" } };
  const silent = () => undefined;
  const screen = { about: silent, state: silent, raw: silent, progress: silent, failed: silent };
  const log = { info: silent, warn: silent };
  const ports = { clock: fakeClock(), screen, log, logEnd: () => "x".repeat(MOST_LOG_LETTERS) };
  const reporter = new Reporter(ports as never);
  reporter.reportTo({ client, host: {} } as never);
  await reporter.enter("finding", "");
  const fault = new Fault("DISK", { what: "w", why: "y", fix: "f" });
  assert.equal(await reporter.finally({ fault }, 1000), true);
  assert.deepEqual(
    sent.map(({ state, log }) => [state, log?.length]),
    [
      ["finding", undefined],
      ["failed", MOST_LOG_LETTERS],
    ],
  );
});
