import assert from "node:assert/strict";
import { test } from "node:test";
import type { Report } from "../../../agent/contract.ts";
import type { Listener, StoredEvent } from "../../../server/events.ts";
import { HostProgress } from "../../../server/hosts/host-progress.ts";

/** Two hosts that receive in session 3, written down at 1000. */
function room() {
  const listeners: Listener[] = [];
  const subscribe = (listener: Listener) => {
    listeners.push(listener);
    return () => {};
  };
  const progress = new HostProgress({ subscribe });
  const receiving = (percent: number, more: Partial<Report> = {}): Report => ({
    state: "receiving",
    detail: `pass ${percent}`,
    percent,
    ...more,
  });
  for (const id of ["a", "b"]) progress.written(id, 3, receiving(1), 1000);
  const happens = (kind: string, about: { hostId?: string; deployId?: number }, isOurs = true) => {
    const event: StoredEvent = { id: 1, atMs: 0, kind, hostId: null, deployId: null, data: {}, actor: null, ...about };
    for (const listener of listeners) listener(event, isOurs);
  };
  const takes = (id: string, nowMs = 2000, report = receiving(50), deployId = 3) =>
    progress.take(id, deployId, report, nowMs);
  return { progress, receiving, happens, takes };
}

test("how far a host is needs no look at the tables for ten seconds, and is shown", () => {
  const { progress, takes } = room();
  assert.equal(takes("a", 1001), true);
  assert.equal(takes("a", 10_999), true);
  assert.deepEqual(progress.newest("a", "receiving", 1000)?.percent, 50);
  assert.equal(takes("a", 11_000), false, "its order is looked at again");
  assert.equal(takes("a", 999), false, "the clock was set back");
  assert.equal(takes("c"), false, "nobody knows it");
});

test("whatever else a report says goes to the tables", () => {
  const { progress, receiving, takes } = room();
  const others: Partial<Report>[] = [
    { state: "verifying" },
    { challenge: "a".repeat(64) },
    { fault: { code: "A", what: "b", why: "c", fix: "d" } },
    { script: { name: "s", ended: "exited", code: 0, seconds: 1, output: "" } },
  ];
  for (const more of others) assert.equal(takes("a", 2000, receiving(50, more)), false, JSON.stringify(more));
  assert.equal(takes("a", 2000, receiving(50), 4), false, "of another session");
  assert.equal(takes("a", 2000, receiving(50), Number.NaN), false, "of none");
  for (const state of ["preflight", "erasing", "rebooting", "done", "failed", "waiting"] as const) {
    progress.written("a", 3, receiving(1, { state }), 1000);
    assert.equal(takes("a", 2000, receiving(2, { state })), false, state);
  }
});

test("what happens to the host or its session makes its next word go to the tables; to others it does not", () => {
  const cases = [
    ["deploy.cancelled", { deployId: 3 }],
    ["deploy.halted", { deployId: 3 }],
    ["deploy.host-failed", { hostId: "a", deployId: 3 }],
    ["host.locked", { hostId: "a" }],
    ["host.registered", { hostId: "a" }],
    ["host.forgotten", { hostId: "a" }],
  ] as const;
  for (const [kind, about] of cases) {
    const { happens, takes } = room();
    happens(kind, about);
    assert.equal(takes("a"), false, kind);
    assert.equal(takes("b"), "hostId" in about, kind);
  }
  const { happens, takes } = room();
  happens("deploy.cancelled", { deployId: 4 });
  happens("host.state", { hostId: "a", deployId: 3 });
  happens("user.added", {});
  assert.equal(takes("a"), true);
  happens("host.state", { hostId: "a", deployId: 3 }, false);
  assert.equal(takes("a"), false, "another server heard of it");
});

test("the table's word is shown where it is as new, or about another state", () => {
  const { progress, takes } = room();
  assert.equal(progress.newest("a", "receiving", 1000), undefined);
  takes("a", 2000);
  assert.equal(progress.newest("a", "verifying", 1000), undefined);
  assert.equal(progress.newest("a", "receiving", 2000), undefined);
  assert.equal(progress.newest("a", "receiving", 1999)?.detail, "pass 50");
  progress.forget("a");
  assert.equal(progress.newest("a", "receiving", 1000), undefined);
});
