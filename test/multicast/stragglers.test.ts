import assert from "node:assert/strict";
import { test } from "node:test";
import { Room } from "../../multicast/room.ts";
import type { ReceiverReport } from "../../multicast/roster.ts";
import { signerOf } from "../../multicast/roster.ts";

type Word = Partial<ReceiverReport> & { readonly loss?: number };

/** A room on a fake clock: 1,000 datagrams a second of 1,000 bytes are sent to each host. */
function room(names: readonly string[], isRestByUnicast = false) {
  const own = new Room(isRestByUnicast, 1_000);
  let now = 0;
  const packs = new Map<string, number>();
  for (const name of names) own.join({ id: name, name, hostId: undefined, packsTotal: 1_000 }, now);
  return {
    own,
    /** Everybody reports once a second; `words` say how, and who is not in them loses nothing. */
    run(seconds: number, words: Readonly<Record<string, Word>> = {}): void {
      for (const end = now + seconds * 1_000; now < end; ) {
        now += 1_000;
        for (const name of names) {
          const { loss = 0, ...word } = words[name] ?? {};
          const packsDone = (packs.get(name) ?? 0) + 1;
          packs.set(name, packsDone);
          const symbolsLost = 1_000 * loss;
          const report = {
            state: "receiving" as const,
            packsDone,
            packsTotal: 1_000,
            symbolsReceived: 1_000 - symbolsLost,
            symbolsLost,
          };
          own.report(name, { ...report, ...word }, now);
        }
        own.look(now);
      }
    },
    why: (name: string) => own.get(name)?.aside?.why,
    hears: (name: string) => own.hears(signerOf(name), 1, 0, (id) => id),
  };
}

const later = "it gets the rest after the others";

test("straggler: a host that loses far more than the others is not heard, and told why", () => {
  const { run, why, hears } = room(["a", "b", "c"]);
  run(2, { c: { loss: 0.3 } });
  assert.equal(why("c"), undefined, "not after so short a time");
  run(3, { c: { loss: 0.3 } });
  assert.equal(why("c"), `its link loses 30 %: ${later}`);
  assert.deepEqual([hears("a"), hears("b"), hears("c")], [true, true, false]);
});

test("straggler: the only one left gets the rest by unicast, several by the group at what their links bring", () => {
  const one = room(["a", "b", "c"]);
  one.run(5, { c: { loss: 0.9 } });
  one.run(1, { a: { state: "done" }, b: { state: "done" }, c: { loss: 0.9 } });
  assert.equal(one.why("c"), "its link loses 90 %: the rest by unicast");
  assert.equal(one.hears("c"), false);

  const two = room(["a", "b", "c"]);
  two.run(5, { b: { loss: 0.8 }, c: { loss: 0.9 } });
  assert.equal(two.own.rateCeilingBytesPerSecond, Number.POSITIVE_INFINITY, "the others have the stream's rate");
  two.run(1, { a: { state: "done" }, b: { loss: 0.8 }, c: { loss: 0.9 } });
  assert.equal(two.why("c"), "its link loses 90 %: the rest at its own pace");
  assert.deepEqual([two.hears("b"), two.hears("c")], [true, true]);
  assert(Math.abs(two.own.rateCeilingBytesPerSecond - 190_000) < 1_000, "95 % of what the better link brought");
});

test("straggler: what stays lost at a lower rate was not lost for the rate", () => {
  const { run, own } = room(["a", "b", "c"]);
  run(5, { b: { loss: 0.3 }, c: { loss: 0.3 } });
  run(1, { a: { state: "done" }, b: { loss: 0.3 }, c: { loss: 0.3 } });
  assert(own.rateCeilingBytesPerSecond < 700_000);
  run(6, { a: { state: "done" }, b: { loss: 0.3 }, c: { loss: 0.3 } });
  assert.equal(own.rateCeilingBytesPerSecond, Number.POSITIVE_INFINITY);
});

test("straggler: a link that carries the lower rate is asked for a little more, step by step", () => {
  const { run, own } = room(["a", "b", "c"]);
  run(5, { b: { loss: 0.8 }, c: { loss: 0.8 } });
  run(1, { a: { state: "done" }, b: { loss: 0.8 }, c: { loss: 0.8 } });
  const first = own.rateCeilingBytesPerSecond;
  run(20, { a: { state: "done" } });
  assert(own.rateCeilingBytesPerSecond > first * 1.2);
  assert(own.rateCeilingBytesPerSecond < first * 2);
});

test("straggler: a room that loses alike has none, and neither has one host alone", () => {
  const all = room(["a", "b", "c"]);
  all.run(10, { a: { loss: 0.2 }, b: { loss: 0.25 }, c: { loss: 0.2 } });
  assert.deepEqual(["a", "b", "c"].map(all.why), [undefined, undefined, undefined]);
  const alone = room(["a"]);
  alone.run(5, { a: { loss: 0.6 } });
  assert.equal(alone.why("a"), undefined);
  assert(alone.own.rateCeilingBytesPerSecond < 400_000, "but the stream goes at what its link brings");
});

test("straggler: a slow disk is one after five seconds, and not when it has caught up", () => {
  const { run, why, hears } = room(["a", "b"]);
  run(4, { b: { waitsForDisk: true, writeBytesPerSecond: 2e6 } });
  assert.equal(why("b"), undefined);
  run(3, { b: { waitsForDisk: true, writeBytesPerSecond: 2e6 } });
  assert.equal(why("b"), `its disk writes 2.0 MB/s: ${later}`);
  run(4);
  assert.equal(hears("b"), false, "not at once");
  run(4);
  assert.deepEqual([why("b"), hears("b")], [undefined, true]);
});

test("straggler: a link that is good again is served with the others again", () => {
  const { run, why } = room(["a", "b"]);
  run(5, { b: { loss: 0.5 } });
  assert.equal(why("b"), `its link loses 50 %: ${later}`);
  run(12);
  assert.equal(why("b"), undefined);
});

test("straggler: who gets nowhere by unicast gets the group again", () => {
  const { run, why, hears } = room(["a", "b"]);
  run(5, { b: { loss: 0.5 } });
  run(1, { a: { state: "done" }, b: { loss: 0.5 } });
  assert.equal(why("b"), "its link loses 50 %: the rest by unicast");
  run(14, { a: { state: "done" }, b: { packsDone: 6, symbolsReceived: 0 } });
  assert.equal(hears("b"), false);
  run(3, { a: { state: "done" }, b: { packsDone: 6, symbolsReceived: 0 } });
  assert.deepEqual([why("b"), hears("b")], ["its link loses 50 %: the rest at its own pace", true]);
});

test("straggler: after the only pass everybody who is slow has unicast", () => {
  const { run, why } = room(["a", "b", "c"], true);
  run(5, { b: { loss: 0.8 }, c: { loss: 0.9 } });
  run(1, { a: { state: "done" }, b: { loss: 0.8 }, c: { loss: 0.9 } });
  assert.deepEqual(
    [why("b"), why("c")],
    ["its link loses 80 %: the rest by unicast", "its link loses 90 %: the rest by unicast"],
  );
});
