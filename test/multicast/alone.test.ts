import assert from "node:assert/strict";
import { test } from "node:test";
import { Room } from "../../multicast/room.ts";
import type { ReceiverReport } from "../../multicast/roster.ts";

/** A room on a fake clock that serves who is alone by unicast. */
function room(isOneByUnicast = true) {
  const own = new Room(false, 1_000, isOneByUnicast);
  let now = 0;
  return {
    own,
    join: (id: string) => own.join({ id, name: id, hostId: undefined, packsTotal: 1_000 }, now),
    /** A second goes by, and each says how many packs it has. */
    say(words: Readonly<Record<string, number | ReceiverReport["state"]>>): void {
      now += 1_000;
      for (const [id, word] of Object.entries(words)) {
        const state = typeof word === "number" ? "receiving" : word;
        const packsDone = typeof word === "number" ? word : 0;
        own.report(id, { state, packsDone, packsTotal: 1_000, symbolsReceived: 0, symbolsLost: 0 }, now);
      }
      own.look(now);
    },
    way: (id: string) => own.get(id)?.aside?.way,
  };
}

test("who is alone when the stream starts is served by unicast, and nothing is held against it", () => {
  const { own, join, say, way } = room();
  join("a");
  say({ a: "ready" });
  assert.deepEqual([own.isOneByUnicast, way("a")], [false, undefined], "it has not started");
  own.onState(true);
  say({ a: "ready" });
  assert.deepEqual([own.isOneByUnicast, way("a"), own.get("a")?.aside?.why], [true, "unicast", ""]);
  for (let packs = 1; packs < 40; packs += 1) say({ a: packs });
  assert.equal(own.isOneByUnicast, true);
});

test("with a second one both are served by the group, also when one of them is through", () => {
  const { own, join, say, way } = room();
  join("a");
  own.onState(true);
  say({ a: 1 });
  join("b");
  assert.equal(own.isOneByUnicast, false, "at once");
  say({ a: 2, b: "ready" });
  assert.deepEqual([way("a"), way("b")], [undefined, undefined]);
  say({ a: "done", b: 5 });
  assert.deepEqual([own.isOneByUnicast, way("b")], [false, undefined]);
  own.onState(false);
  own.onState(true);
  say({ b: 6 });
  assert.equal(own.isOneByUnicast, true, "who comes when all have left is the first again");
});

test("two that are there from the start are served by the group", () => {
  const { own, join, say, way } = room();
  join("a");
  join("b");
  own.onState(true);
  say({ a: "ready", b: "ready" });
  assert.deepEqual([own.isOneByUnicast, way("a")], [false, undefined]);
});

test("who gets nowhere by unicast gets the group", () => {
  const { own, join, say, way } = room();
  join("a");
  own.onState(true);
  for (let second = 0; second < 15; second += 1) {
    say({ a: 7 });
    assert.equal(own.isOneByUnicast, true, `after ${second} s`);
  }
  say({ a: 7 });
  assert.deepEqual([own.isOneByUnicast, way("a")], [false, undefined]);
  say({ a: 8 });
  assert.equal(own.isOneByUnicast, false, "and stays with it");
});

test("where it is not wanted, who is alone gets the group", () => {
  const { own, join, say, way } = room(false);
  join("a");
  own.onState(true);
  say({ a: 1 });
  assert.deepEqual([own.isOneByUnicast, way("a")], [false, undefined]);
});
