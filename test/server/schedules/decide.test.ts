import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Decision, decide, ON_TIME_MS, type Standing } from "../../../server/schedules/decide.ts";
import { dueTimes, type Timing } from "../../../server/schedules/occurrences.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const timing: Timing = { cron: "0 3 * * *", timeZone: "UTC", windowMs: 2 * HOUR_MS, wakeBeforeMs: 0, quietHours: [] };
const midnight = Date.UTC(2026, 10, 23);
const due = midnight + 3 * HOUR_MS;

function at(nowMs: number, more: Partial<Standing> = {}) {
  return decide({ timing, handledUntilMs: midnight, missed: "run", isRunning: false, ...more }, nowMs);
}

function told(decisions: readonly Decision[] = []) {
  return decisions.map((decision) =>
    decision.kind === "run" ? `run ${decision.lateMs / MINUTE_MS}` : `${decision.kind} ${decision.count}`,
  );
}

test("nothing before its time, the order at its time, and each time once", () => {
  assert.equal(at(due - 1), undefined);
  const verdict = at(due);
  assert.deepEqual(verdict?.decisions, [
    { kind: "run", occurrence: { dueAtMs: due, opensAtMs: due, endsAtMs: due + 2 * HOUR_MS }, lateMs: 0 },
  ]);
  assert.equal(at(due + ON_TIME_MS, { handledUntilMs: verdict!.handledUntilMs }), undefined);
});

test("a table of moments", () => {
  const quiet = { ...timing, quietHours: ["daily 02:00-04:30"] };
  const early = { ...timing, wakeBeforeMs: 10 * MINUTE_MS };
  for (const [name, nowMs, more, expected] of [
    ["on time", due + ON_TIME_MS, {}, ["run 0"]],
    ["late, its window is open", due + HOUR_MS, {}, ["run 60"]],
    ["late, and is not to be made up for", due + HOUR_MS, { missed: "skip" }, ["missed 1"]],
    ["on time is not late", due + MINUTE_MS, { missed: "skip" }, ["run 0"]],
    ["too late to begin", due + 2 * HOUR_MS - 5 * MINUTE_MS, {}, ["missed 1"]],
    ["after its window", due + 5 * HOUR_MS, {}, ["missed 1"]],
    ["the run before is not over", due, { isRunning: true }, ["skipped 1"]],
    ["three days down, the last is open", due + 2 * DAY_MS + HOUR_MS, {}, ["missed 2", "run 60"]],
    ["three days down, the last is over", due + 2 * DAY_MS + 9 * HOUR_MS, {}, ["missed 2", "missed 1"]],
    ["a year down", due + 365 * DAY_MS, {}, ["missed 100", "run 0"]],
    ["woken before: not yet", due - 11 * MINUTE_MS, { timing: early }, undefined],
    ["woken before", due - 10 * MINUTE_MS, { timing: early }, ["run 0"]],
    ["quiet: put off", due, { timing: quiet }, undefined],
    ["quiet is over", due + 90 * MINUTE_MS, { timing: quiet }, ["run 0"]],
    ["quiet all the time", due, { timing: { ...timing, quietHours: ["daily 02:00-09:00"] } }, ["skipped 1"]],
  ] as [string, number, Partial<Standing>, string[] | undefined][]) {
    const verdict = at(nowMs, more);
    assert.deepEqual(verdict === undefined ? undefined : told(verdict.decisions), expected, name);
  }
});

test("whenever anybody looks, each time is decided on once, and never before it comes", () => {
  const cases = fc.record({
    cron: fc.constantFrom("0 3 * * *", "*/30 * * * *", "0 22 * * 5", "15 1,13 * * 1-5"),
    missed: fc.constantFrom("run" as const, "skip" as const),
    quietHours: fc.constantFrom([], ["daily 02:00-04:00"], ["mon-fri 08:00-16:00", "daily 22:00-02:30"]),
    wakeBeforeMs: fc.constantFrom(0, 15 * MINUTE_MS),
    steps: fc.array(fc.integer({ min: 1, max: 2 * DAY_MS }), { maxLength: 12 }),
  });
  fc.assert(
    fc.property(cases, ({ cron, missed, quietHours, wakeBeforeMs, steps }) => {
      const own = { ...timing, cron, quietHours, wakeBeforeMs, timeZone: "Europe/Berlin" };
      let nowMs = midnight;
      let handledUntilMs = midnight;
      let decided = 0;
      for (const step of steps) {
        nowMs += step;
        const verdict = decide({ timing: own, handledUntilMs, missed, isRunning: false }, nowMs);
        const handled = verdict?.handledUntilMs ?? handledUntilMs;
        assert.equal(decide({ timing: own, handledUntilMs: handled, missed, isRunning: false }, nowMs), undefined);
        if (verdict === undefined) continue;
        assert(verdict.handledUntilMs > handledUntilMs);
        handledUntilMs = verdict.handledUntilMs;
        for (const decision of verdict.decisions) {
          const { opensAtMs, endsAtMs } = decision.occurrence;
          assert(opensAtMs <= nowMs);
          if (decision.kind === "run") assert(nowMs < endsAtMs);
          decided += decision.kind === "run" ? 1 : decision.count;
        }
      }
      const times = dueTimes(own, midnight, 100).filter((time) => time <= handledUntilMs);
      // Of very many that were missed not all are counted.
      if (times.length < 100) assert.equal(decided, times.length);
    }),
    { numRuns: 40 },
  );
});
