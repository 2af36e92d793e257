import assert from "node:assert/strict";
import { test } from "node:test";
import { linksOf } from "../../../server/orders/slow-hosts.ts";
import type { ReceiverFigures } from "../../../server/stream/figures.ts";

function receiver(id: string, more: Partial<ReceiverFigures> = {}): ReceiverFigures {
  const counts = { lossShare: 0.001, packsDone: 50, packsTotal: 100, missing: null };
  return { id, name: id, state: "receiving", why: "", ...counts, ...more };
}

function slowOf(...receivers: readonly ReceiverFigures[]): Record<string, string> {
  return Object.fromEntries([...linksOf(receivers)].flatMap(([id, { slow }]) => (slow === "" ? [] : [[id, slow]])));
}

test("the one bad cable stands out among the others", () => {
  const slow = slowOf(receiver("a"), receiver("b", { lossShare: 0.021 }), receiver("c"), receiver("d"));
  assert.deepEqual(slow, { b: "it loses 2.1 %, the others 0.1 %: look at its cable and its port" });
});

test("where all lose, nobody's cable is bad", () => {
  assert.deepEqual(slowOf(receiver("a", { lossShare: 0.05 }), receiver("b", { lossShare: 0.06 })), {});
});

test("alone, a cable that loses is told, and nobody is behind anybody", () => {
  assert.match(slowOf(receiver("a", { lossShare: 0.3 }))["a"] ?? "", /loses 30 %: look/);
  assert.deepEqual(slowOf(receiver("a", { packsDone: 0 })), {});
});

test("what the stream itself says of a host comes first; who is through is not slow", () => {
  const why = "its disk writes 4 MB/s: it gets the rest after the others";
  assert.deepEqual(slowOf(receiver("a", { why, lossShare: 0.5 }), receiver("b"), receiver("c")), { a: why });
  assert.deepEqual(slowOf(receiver("a", { why, state: "done" }), receiver("b")), {});
});

test("who is far behind the others is told by how much", () => {
  const slow = slowOf(receiver("a", { packsDone: 20 }), receiver("b"), receiver("c"));
  assert.match(slow["a"] ?? "", /it has 20 %, the others 50 %/);
  assert.deepEqual(Object.keys(slow), ["a"]);
});
