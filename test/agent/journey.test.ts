import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Value } from "typebox/value";
import { agentStates, Report } from "../../agent/contract.ts";
import { Journey } from "../../agent/journey.ts";

const way = [
  "finding",
  "registering",
  "waiting",
  "preflight",
  "erasing",
  "receiving",
  "verifying",
  "naming",
  "finishing",
  "rebooting",
] as const;

test("time is kept for every state, also when it is entered twice", () => {
  const journey = new Journey(1000);
  journey.enter("finding", "", 1100);
  journey.enter("registering", "", 1300);
  journey.enter("waiting", "a", 1350);
  journey.enter("waiting", "b", 1400);
  journey.enter("preflight", "", 1450);
  journey.enter("waiting", "", 1500);
  journey.enter("rebooting", "", 1800);
  const report = journey.done("", 1801);
  assert.deepEqual(report.timings, {
    booting: 100,
    finding: 200,
    registering: 50,
    waiting: 400,
    preflight: 50,
    rebooting: 1,
  });
});

test("between two changes at most one report a second, percent inside 0 and 100", () => {
  const journey = new Journey(0);
  journey.enter("finding", "", 0);
  assert.equal(journey.progress(1, "x", 999), undefined);
  assert.equal(journey.progress(101, "x", 1000)?.percent, 100);
  assert.equal(journey.progress(5, "x", 1999), undefined);
  assert.equal(journey.progress(-1, "x", 2000)?.percent, 0);
  assert.equal(journey.progress(undefined, "x", 3000)?.percent, undefined);
});

test("a failure report has the fault and says what the disk is", () => {
  const journey = new Journey(0);
  for (const state of way.slice(0, 5)) journey.enter(state, "", 0);
  journey.diskIs("erased");
  const report = journey.fail({ code: "X", what: "What.", why: "Why.", fix: "Fix." }, 5);
  assert.deepEqual(report.fault, { code: "X", what: "What.", why: "Why.", fix: "Fix." });
  assert.match(report.detail, /erased/);
});

test("the disk cannot change before the erase, and a changed one cannot wait", () => {
  const journey = new Journey(0);
  for (const state of way.slice(0, 4)) journey.enter(state, "", 0);
  assert.throws(() => journey.diskIs("erased"), { name: "AssertionError" });
  journey.enter("erasing", "", 0);
  journey.diskIs("erased");
  assert.throws(() => journey.enter("waiting", "", 0), { name: "AssertionError" });
});

test("no order of states leads to erasing but through waiting and preflight, and every report is in the contract", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...agentStates), { maxLength: 40 }), (states) => {
      const journey = new Journey(0);
      const entered: string[] = [];
      for (const [at, state] of states.entries()) {
        try {
          assert(Value.Check(Report, journey.enter(state, "detail", at)));
          if (entered.at(-1) !== state) entered.push(state);
        } catch (error) {
          assert.equal((error as Error).name, "AssertionError");
        }
      }
      for (const [at, state] of entered.entries()) {
        if (state === "erasing") assert.deepEqual(entered.slice(at - 2, at), ["waiting", "preflight"]);
        if (state === "receiving") assert.equal(entered[at - 1], "erasing");
        if (state === "capturing") assert.deepEqual(entered.slice(at - 2, at), ["waiting", "preflight"]);
      }
    }),
  );
});

test("the way of the design is open from end to end", () => {
  const journey = new Journey(0);
  for (const state of way) journey.enter(state, "", 0);
  assert.equal(journey.done("", 0).state, "done");
});

test("a capture has its own way, on which nothing may change the disk", () => {
  const journey = new Journey(0);
  for (const state of [...way.slice(0, 4), "capturing"] as const) journey.enter(state, "", 0);
  assert.throws(() => journey.diskIs("erased"), { name: "AssertionError" });
  for (const state of ["erasing", "receiving", "verifying", "naming"] as const) {
    assert.throws(() => journey.enter(state, "", 0), { name: "AssertionError" });
  }
  for (const state of ["finishing", "rebooting"] as const) journey.enter(state, "", 0);
  assert.equal(journey.done("", 0).state, "done");
});
