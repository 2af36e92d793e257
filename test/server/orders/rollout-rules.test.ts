import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { OrderState } from "../../../server/orders/deploy-rules.ts";
import {
  MOST_LATE_MS,
  nextRelease,
  nextStep,
  type Rollout,
  type RolloutHost,
  WAVE_WAIT_MS,
} from "../../../server/orders/rollout-rules.ts";

const NOW = 10_000_000;

/** "0 done", "1 held", "1 pending", "1 awaited": the wave, and how the host stands. */
function host(text: string, index: number): RolloutHost {
  const [wave = "", word = ""] = text.split(" ");
  const state = word === "held" ? "pending" : word === "awaited" ? "done" : (word as OrderState);
  return {
    id: `h-${index}`,
    name: `lab-${index}`,
    wave: Number(wave),
    state,
    releasedAtMs: word === "held" ? null : NOW - 1000,
    isAwaited: word === "awaited",
  };
}

function rollout(hosts: readonly string[], more: Partial<Rollout> = {}): Rollout {
  const usual = { startAtMs: null, isStarted: true, isHalted: false, mostFailed: 1, failedAccepted: 0 };
  return { deployId: 7, ...usual, hosts: hosts.map(host), ...more };
}

/** "start", "release 1: h-0 h-1", "halt CANARY_FAILED", "wait", "wait 1000" (from now). */
function told(given: Rollout, nowMs = NOW): string {
  const step = nextStep(given, nowMs);
  if (step.kind === "release") return `release ${step.wave}: ${step.hostIds.join(" ")}`;
  if (step.kind === "halt") return `halt ${step.fault.code}`;
  if (step.kind === "wait") return step.untilMs === null ? "wait" : `wait ${step.untilMs - nowMs}`;
  return step.kind;
}

const table: readonly (readonly [hosts: string, step: string, more?: Partial<Rollout>])[] = [
  // When it begins.
  ["1 held", "wait 500", { isStarted: false, startAtMs: NOW + 500 }],
  ["1 held", "start", { isStarted: false, startAtMs: NOW }],
  ["1 held", "start", { isStarted: false, startAtMs: NOW - MOST_LATE_MS }],
  ["1 held", "halt START_MISSED", { isStarted: false, startAtMs: NOW - MOST_LATE_MS - 1 }],
  ["1 held", "wait", { isStarted: false, isHalted: true, startAtMs: NOW - 86_400_000 }],
  ["1 held", "start", { isStarted: false }],
  ["", "start", { isStarted: false, startAtMs: NOW }],
  ["", "wait"],
  // The first ones.
  ["1 held, 1 held", "release 1: h-0 h-1"],
  ["2 held, 0 held, 1 held", "release 0: h-1"],
  // The canary is waited for, whatever it does.
  ["0 pending, 1 held", "wait"],
  ["0 running, 1 held", "wait"],
  ["0 awaited, 1 held", "wait"],
  ["0 done, 1 held, 2 held", "release 1: h-1"],
  ["0 done, 0 running, 1 held", "wait"],
  ["0 failed, 1 held", "halt CANARY_FAILED"],
  ["0 failed, 0 running, 1 held", "halt CANARY_FAILED"],
  ["0 failed, 0 done, 1 held", "halt CANARY_FAILED"],
  ["0 failed, 1 held", "halt CANARY_FAILED", { mostFailed: 5 }],
  ["0 cancelled, 1 held", "halt CANARY_MISSING"],
  ["0 cancelled, 0 done, 1 held", "release 1: h-2"],
  // One wave after the other.
  ["1 done, 1 running, 2 held", "wait"],
  ["1 done, 1 awaited, 2 held", "wait"],
  ["1 done, 1 failed, 2 held", "release 2: h-2"],
  ["1 done, 1 cancelled, 2 held", "release 2: h-2"],
  ["1 failed, 1 failed, 2 held", "halt TOO_MANY_FAILED"],
  ["1 failed, 1 failed, 1 running, 2 held", "halt TOO_MANY_FAILED"],
  ["1 failed, 2 failed, 3 held", "halt TOO_MANY_FAILED"],
  ["1 failed, 1 failed, 2 held", "release 2: h-2", { mostFailed: 2 }],
  ["1 failed, 1 failed, 2 held", "release 2: h-2", { mostFailed: null }],
  ["1 failed, 1 done, 2 held", "halt TOO_MANY_FAILED", { mostFailed: 0 }],
  // Nobody is left whom it could be stopped for.
  ["1 failed, 1 failed, 2 failed", "wait"],
  // Who is switched off is waited for, and not for ever.
  ["1 done, 1 pending, 2 held", `wait ${WAVE_WAIT_MS - 1000}`],
  ["1 pending, 1 running, 2 held", "wait"],
  // After a person went on.
  ["0 failed, 1 held", "wait", { isHalted: true }],
  ["1 failed, 1 failed, 1 running, 2 held", "wait", { failedAccepted: 2 }],
  ["1 failed, 1 failed, 1 done, 2 held", "release 2: h-3", { failedAccepted: 2 }],
  ["1 failed, 1 failed, 1 failed, 1 failed, 2 held", "halt TOO_MANY_FAILED", { failedAccepted: 2 }],
  // Hosts of a wave that were called back come first.
  ["1 done, 1 held, 2 held", "release 1: h-1", { failedAccepted: 2 }],
];

for (const [hosts, step, more] of table) {
  const about = Object.entries(more ?? {}).map(([key, value]) => `${key} ${value}`);
  test(`${[hosts || "no hosts", ...about].join(", ")}: ${step}`, () => {
    assert.equal(told(rollout(hosts === "" ? [] : hosts.split(", "), more)), step);
  });
}

test("a wave whose rest never came is over after a quarter of an hour", () => {
  const given = rollout(["1 done", "1 pending", "2 held"]);
  assert.equal(told(given, NOW - 1000 + WAVE_WAIT_MS), "release 2: h-2");
  assert.equal(told(rollout(["0 pending", "1 held"]), NOW + 100 * WAVE_WAIT_MS), "wait", "the canary must come");
});

test("why it has stopped names the hosts and the way on", () => {
  const step = nextStep(rollout(["0 failed", "1 held"]), NOW);
  assert(step.kind === "halt");
  assert.match(step.fault.why, /lab-0 went first .* and failed/);
  assert.match(step.fault.fix, /session start 7.*session stop 7/);
});

test("whatever happens: nobody is released twice, waves never overtake, and it comes to an end", () => {
  const words = ["done", "failed", "running", "pending", "cancelled", "awaited", "held"];
  const hosts = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.constantFrom(...words)), { maxLength: 8 });
  fc.assert(
    fc.property(hosts, fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 }), (given, most, accepted) => {
      const texts = given.map(([wave, word]) => `${wave} ${word}`);
      let now = rollout(texts, { mostFailed: most, failedAccepted: accepted });
      for (let steps = 0; steps < 10; steps += 1) {
        const step = nextStep(now, NOW);
        if (step.kind === "wait") return;
        if (step.kind === "halt") {
          assert.equal(nextStep({ ...now, isHalted: true }, NOW).kind, "wait");
          const on = nextRelease(now);
          assert.equal(on.kind, "release", "a person can go on");
          return;
        }
        assert(step.kind === "release" && step.hostIds.length > 0);
        for (const one of now.hosts) {
          if (step.hostIds.includes(one.id)) assert.equal(one.releasedAtMs, null);
          else if (one.releasedAtMs === null && one.state === "pending") assert(one.wave > step.wave);
        }
        const release = (one: RolloutHost) => (step.hostIds.includes(one.id) ? { ...one, releasedAtMs: NOW } : one);
        now = { ...now, hosts: now.hosts.map(release) };
      }
      assert.fail("it never waits");
    }),
    { numRuns: 500 },
  );
});
