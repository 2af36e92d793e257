import assert from "node:assert/strict";
import { test } from "node:test";
import { LEASE_MS, MARGIN_MS, OwnLease, Watch } from "../../../server/leases/lease-rules.ts";

const beatOf = (beat: number, incarnation = "first") => ({ id: "a", incarnation, beat });

test("a lease counts from when the beat was sent, however late it was answered", () => {
  const lease = new OwnLease();
  assert(!lease.isHeld(0));
  lease.onBeat(1_000);
  assert(lease.isHeld(1_000 + LEASE_MS - MARGIN_MS - 1));
  assert(!lease.isHeld(1_000 + LEASE_MS - MARGIN_MS));
  // An older beat's answer, which comes behind a newer one's, takes nothing away.
  lease.onBeat(500);
  assert(lease.isHeld(1_000 + LEASE_MS - MARGIN_MS - 1));
});

test("a lease that is lost never comes back", () => {
  const lease = new OwnLease();
  lease.onBeat(1_000);
  lease.lose();
  lease.onBeat(2_000);
  assert(!lease.isHeld(2_000));
});

test("a server is gone when its number was the same for a whole lease of whoever looks, and not before", () => {
  const watch = new Watch();
  assert.deepEqual(watch.observe([beatOf(7)], 1_000), []);
  assert.deepEqual(watch.observe([beatOf(7)], 1_000 + LEASE_MS - 1), []);
  assert.deepEqual(watch.observe([beatOf(7)], 1_000 + LEASE_MS), [beatOf(7)]);
});

test("each beat, and each start, begins the wait anew; one that was away is looked at from the beginning", () => {
  const watch = new Watch();
  watch.observe([beatOf(7)], 0);
  assert.deepEqual(watch.observe([beatOf(8)], LEASE_MS), []);
  assert.deepEqual(watch.observe([beatOf(8, "second")], 2 * LEASE_MS), []);
  assert.deepEqual(watch.observe([], 2 * LEASE_MS + 1), []);
  assert.deepEqual(watch.observe([beatOf(8, "second")], 4 * LEASE_MS), []);
  assert.deepEqual(watch.observe([beatOf(8, "second")], 5 * LEASE_MS), [beatOf(8, "second")]);
});
