import assert from "node:assert/strict";
import { test } from "node:test";
import { agentStates } from "../../../../agent/contract.ts";
import { hostStates } from "../../../../server/hosts/host-status.ts";
import { countStates, isMoving, lookOf, wordOf } from "../../../../server/web/page/states.ts";
import { texts } from "../../../../server/web/page/texts.ts";

test("every state that a host can have has a word, a shape and a colour", () => {
  const known: Readonly<Record<string, unknown>> = texts.states;
  for (const state of [...hostStates, ...agentStates]) assert(state in known, state);
  const shapes = hostStates.map((state) => lookOf(state).icon);
  assert(new Set(shapes).size > 10, "shapes that are told apart without colours");
  for (const [one, other] of [
    ["done", "failed"],
    ["idle", "offline"],
    ["waiting", "receiving"],
    ["erasing", "receiving"],
  ] as const) {
    assert.notEqual(lookOf(one).icon, lookOf(other).icon);
  }
});

test("a state of a newer server is shown as it is", () => {
  assert.deepEqual(wordOf("dreaming"), ["dreaming", "dreaming"]);
  assert.equal(lookOf("dreaming").tone, "quiet");
  assert.equal(isMoving("dreaming"), false);
});

test("states are counted, what needs somebody first", () => {
  assert.deepEqual(countStates(["idle", "receiving", "failed", "idle", "done", "receiving", "erasing"]), [
    { state: "failed", count: 1 },
    { state: "erasing", count: 1 },
    { state: "receiving", count: 2 },
    { state: "done", count: 1 },
    { state: "idle", count: 2 },
  ]);
  assert.deepEqual(countStates([]), []);
});
