import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Receiver } from "../../../multicast/roster.ts";
import type { LanInterface } from "../../../server/stream/lan-interface.ts";
import { type WatchedStream, watchLan } from "../../../server/stream/lan-watch.ts";

const lan = { name: "eth0", index: 2, address: "192.0.2.1", mac: "02:00:00:00:00:01", gateways: [] as string[] };

/** A watch with nobody to ask but the receivers, on a clock of its own. */
async function start(t: TestContext) {
  t.mock.timers.enable({ apis: ["setInterval"] });
  let now = 0;
  const receiver = { state: "receiving", reportedAt: 0, symbolsReceived: 0 };
  const holds: string[] = [];
  const words: string[] = [];
  const looks: boolean[] = [];
  let held = 0;
  const stream: WatchedStream = {
    receivers: [receiver as Receiver],
    get state() {
      return held === 0 ? ("streaming" as const) : ("open" as const);
    },
    reportEveryMs: 1_000,
    hold(reason) {
      holds.push(reason);
      held += 1;
      return () => {
        held -= 1;
      };
    },
  };
  const watch = await watchLan({
    lan: lan as unknown as LanInterface,
    stream,
    onWord: ({ type }) => words.push(type),
    onLook: (hasMember) => looks.push(hasMember),
    now: () => now,
    nameServers: ["127.0.0.1", "::1"],
  });
  return {
    watch,
    holds,
    words,
    looks,
    receiver,
    held: () => held,
    run(seconds: number, isReporting: boolean): void {
      for (const end = now + seconds * 1_000; now < end; ) {
        now += 250;
        if (isReporting) receiver.reportedAt = now;
        t.mock.timers.tick(250);
      }
    },
    /** The server was busy itself. */
    sleep(ms: number): void {
      now += ms;
      t.mock.timers.tick(250);
    },
  };
}

test("watch: a stream waits while its receivers' reports are late, and goes on when they come", async (t) => {
  const { watch, run, holds, words, held } = await start(t);
  assert.deepEqual(watch.names, [], "nothing on this machine itself is watched");
  run(5, true);
  run(6, false);
  assert.equal(held(), 1);
  assert.match(holds[0] ?? "", /^the receivers' reports come \d\.\d s late$/);
  run(5, true);
  assert.deepEqual([held(), words], [0, ["hold", "release"]]);
  watch.close();
});

test("watch: whoever was busy itself does not blame the network", async (t) => {
  const { watch, run, sleep, words } = await start(t);
  run(5, true);
  for (let time = 0; time < 10; time += 1) {
    sleep(4_000);
    run(0.5, true);
  }
  assert.deepEqual(words, []);
  watch.close();
});

test("watch: says whether a receiver listens, and lets the stream go when it is closed", async (t) => {
  const { watch, run, receiver, looks, held } = await start(t);
  run(1, true);
  assert.equal(looks.at(-1), false);
  receiver.symbolsReceived = 3;
  run(1, true);
  assert.equal(looks.at(-1), true);
  run(6, false);
  assert.equal(held(), 1);
  watch.close();
  assert.equal(held(), 0);
});
