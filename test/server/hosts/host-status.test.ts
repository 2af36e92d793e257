import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type AgentState, agentStates } from "../../../agent/contract.ts";
import { type HostFacts, type HostState, hostStates, hostStatus } from "../../../server/hosts/host-status.ts";
import { hindranceOf, lockNow } from "../../../server/hosts/lock.ts";

const NOW = 1_000_000_000;
const SECOND = 1_000;
const MINUTE = 60_000;
const pending = { deployId: 41, state: "pending" } as const;
const running = { deployId: 41, state: "running" } as const;
const lock = (untilMs: number | null) => ({ reason: "exam", by: "mueller", sinceMs: NOW - 5 * MINUTE, untilMs });

/** A host whose agent said `state` so many seconds ago. */
function facts(state: AgentState, silentSeconds: number, more: Partial<HostFacts> = {}): HostFacts {
  return {
    nowMs: NOW,
    agent: { state, detail: "its own words", sinceMs: NOW - 10 * MINUTE },
    firstSeenMs: NOW - 60 * MINUTE,
    lastSeenMs: NOW - silentSeconds * SECOND,
    isApproved: true,
    lock: null,
    order: undefined,
    hasOrders: true,
    ...more,
  };
}

const table: [string, HostFacts, HostState, number][] = [
  ["the agent starts", facts("booting", 1), "booting", 10],
  ["the agent looks for us", facts("finding", 1), "booting", 10],
  ["the agent registers", facts("registering", 1), "booting", 10],
  ["the firmware asked after the agent was heard", facts("waiting", 600, { askedMs: NOW - MINUTE }), "booting", 1],
  ["the firmware asked before", facts("waiting", 600, { askedMs: NOW - 11 * MINUTE }), "offline", 10],
  ["the firmware asked long ago", facts("waiting", 3600, { askedMs: NOW - 20 * MINUTE }), "offline", 60],
  ["the agent waits, nothing was ever ordered", facts("waiting", 20, { hasOrders: false }), "new", 10],
  ["the agent waits", facts("waiting", 20), "idle", 10],
  ["the agent waits with an order", facts("waiting", 20, { order: pending }), "waiting", 10],
  ["preflight", facts("preflight", 1, { order: running }), "waiting", 10],
  ["erasing", facts("erasing", 1, { order: running }), "erasing", 10],
  ["receiving", facts("receiving", 1, { order: running }), "receiving", 10],
  ["verifying", facts("verifying", 1, { order: running }), "verifying", 10],
  ["naming", facts("naming", 1, { order: running }), "naming", 10],
  ["finishing", facts("finishing", 1, { order: running }), "naming", 10],
  ["capturing", facts("capturing", 1, { order: running }), "capturing", 10],
  ["rebooting", facts("rebooting", 200), "rebooting", 10],
  ["rebooting for too long", facts("rebooting", 400), "offline", 400 / 60],
  ["silent while receiving", facts("receiving", 120, { order: running }), "offline", 2],
  ["silent before an order's work", facts("preflight", 120, { order: running }), "offline", 2],
  ["switched off with an order", facts("waiting", 3600, { order: pending }), "waiting", 60],
  ["done, and there", facts("done", 1), "done", 10],
  ["done long ago", facts("done", 36_000), "done", 10],
  ["done, and its firmware asked on the way to its disk", facts("done", 60, { askedMs: NOW - SECOND }), "done", 10],
  ["done, and ordered anew", facts("done", 36_000, { order: pending }), "waiting", 60],
  ["failed", facts("failed", 1), "failed", 10],
  ["failed long ago", facts("failed", 36_000), "failed", 10],
  ["failed, and ordered anew", facts("failed", 36_000, { order: pending }), "waiting", 60],
  ["nothing heard", facts("waiting", 120), "offline", 2],
  ["not approved, and there", facts("waiting", 1, { isApproved: false }), "new", 60],
  ["not approved, and gone", facts("waiting", 3600, { isApproved: false }), "new", 60],
  ["not approved, with an order", facts("waiting", 1, { isApproved: false, order: pending }), "new", 60],
  ["locked", facts("waiting", 1, { lock: lock(null) }), "locked", 5],
  ["locked until later", facts("waiting", 1, { lock: lock(NOW + 1) }), "locked", 5],
  ["locked until now", facts("waiting", 1, { lock: lock(NOW) }), "idle", 10],
  ["locked and off", facts("waiting", 3600, { lock: lock(null), order: pending }), "locked", 5],
  ["locked and failed", facts("failed", 1, { lock: lock(null) }), "locked", 5],
  ["locked while it is captured", facts("capturing", 1, { lock: lock(null) }), "capturing", 10],
  ["added, never seen", facts("booting", 0, { lastSeenMs: 0, hasOrders: false }), "new", 60],
  ["added, never seen, ordered", facts("booting", 0, { lastSeenMs: 0, order: pending }), "waiting", 60],
  ["added, its firmware asked", facts("booting", 0, { lastSeenMs: 0, askedMs: NOW - MINUTE }), "booting", 1],
];
for (const [name, given, state, sinceMinutes] of table) {
  test(`host status: ${name}`, () => {
    const status = hostStatus(given);
    assert.equal(status.state, state);
    assert.equal(status.sinceMs, Math.round(NOW - sinceMinutes * MINUTE));
    if (status.state === "waiting" || status.state === "locked") assert.notEqual(status.detail, "");
  });
}

test("host status: every word occurs in the table", () => {
  assert.deepEqual(new Set(table.map(([, , state]) => state)), new Set(hostStates));
});

test("host status: a host is locked or new when it may not be erased, or at something that does not erase", () => {
  const anyFacts = fc.record({
    state: fc.constantFrom(...agentStates),
    silentSeconds: fc.integer({ min: 0, max: 4000 }),
    isApproved: fc.boolean(),
    untilMs: fc.constantFrom(null, NOW - 1, NOW + 1),
    hasLock: fc.boolean(),
    order: fc.constantFrom(undefined, pending, running),
  });
  fc.assert(
    fc.property(anyFacts, ({ state, silentSeconds, isApproved, untilMs, hasLock, order }) => {
      const given = facts(state, silentSeconds, { isApproved, lock: hasLock ? lock(untilMs) : null, order });
      const status = hostStatus(given);
      assert(hostStates.includes(status.state));
      if (hindranceOf(given, NOW) === undefined) assert.notEqual(status.state, "locked");
      if (lockNow(given.lock, NOW) === null) assert.notEqual(status.state, "locked");
    }),
  );
});
