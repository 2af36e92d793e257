import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamLayout } from "../../multicast/layout.ts";
import { Pacer } from "../../multicast/pacer.ts";
import { PacketKind } from "../../multicast/packet.ts";
import { MOST_RECEIVERS, type ReceiverReport } from "../../multicast/roster.ts";
import { type SenderOptions, SenderSession } from "../../multicast/sender.ts";
import { descriptionOf } from "./streams.ts";

/** A session on a fake clock: 30 symbols in 4 blocks, one datagram each millisecond or so. */
function start(options: Partial<SenderOptions> = {}, sizes: readonly number[] = [640, 640, 640]) {
  const layout = new StreamLayout(
    descriptionOf(sizes, {}),
    sizes.map((storedBytes) => ({ storedBytes })),
  );
  const session = new SenderSession(layout, new Pacer(150_000, 134, 0), {
    waitFor: 1,
    maxWaitMs: 0,
    once: false,
    idleEndMs: 60_000,
    ...options,
  });
  const sent: { kind: PacketKind; number: number; sequence: number; at: number }[] = [];
  const words: string[] = [];
  let now = 0;
  function runUntil(end: number): void {
    while (now < end) {
      const action = session.poll(now);
      for (const event of session.takeEvents()) {
        if (event.type === "state") words.push(event.state);
        if (event.type === "pass") words.push(`pass ${event.pass}`);
        if (event.type === "receiver") words.push(`${event.receiver.name} ${event.receiver.state}`);
      }
      if (action.type === "over") {
        words.push("over");
        return;
      }
      if (action.type === "wait") now = Math.min(end, Math.max(action.until, now + 0.001));
      else {
        const { kind, block, symbol, sequence } = action;
        sent.push({ kind, number: block * layout.symbolsPerBlock + symbol, sequence, at: now });
      }
    }
  }
  return {
    session,
    sent,
    words,
    runUntil,
    now: () => now,
    join: (name: string) => session.join(name, name, undefined, now),
    report: (name: string, state: ReceiverReport["state"], packsDone = 0) =>
      session.report(name, { state, packsDone, packsTotal: 3, symbolsReceived: 1, symbolsLost: 0 }, now),
    symbols: () => sent.filter(({ kind }) => kind === PacketKind.symbol).map(({ number }) => number),
  };
}

test("sender: sends nothing before a receiver joins, then four canaries a second", () => {
  const { sent, runUntil, join, session } = start();
  runUntil(10_000);
  assert.equal(sent.length, 0);
  join("a");
  runUntil(12_000);
  assert(sent.every(({ kind }) => kind === PacketKind.canary));
  assert(sent.length >= 7 && sent.length <= 9, `${sent.length} canaries in 2 s`);
  assert.equal(session.state, "open");
  assert.equal(session.waitingFor, "0 of 1 host ready");
});

test("sender: starts when all are ready, loops in order, and counts every datagram", () => {
  const { sent, runUntil, join, report, session, symbols, words } = start({ waitFor: 2 });
  join("a");
  join("b");
  runUntil(1_000);
  report("a", "ready");
  runUntil(20_000);
  assert.equal(session.waitingFor, "1 of 2 hosts ready");
  assert.deepEqual(symbols(), []);
  report("b", "ready");
  runUntil(20_100);
  assert.deepEqual(
    symbols().slice(0, 65),
    Array.from({ length: 65 }, (_, at) => at % 30),
  );
  assert.deepEqual(
    sent.map(({ sequence }) => sequence),
    sent.map((_, at) => at),
  );
  assert(words.includes("pass 2"));
});

test("sender: does not wait longer than it should", () => {
  const { runUntil, join, report, session } = start({ waitFor: 3, maxWaitMs: 5_000 });
  runUntil(3_000);
  join("a");
  report("a", "ready");
  runUntil(7_900);
  assert.equal(session.state, "open");
  runUntil(8_100);
  assert.equal(session.state, "streaming");
});

test("sender: starts at once when somebody says so", () => {
  const { runUntil, join, report, session } = start({ waitFor: 3 });
  join("a");
  report("a", "ready");
  runUntil(1_000);
  session.startNow("said so");
  runUntil(1_100);
  assert.equal(session.state, "streaming");
});

test("sender: stops when the last receiver is done, and goes on at once for the next", () => {
  const { runUntil, join, report, session, symbols, sent, words } = start({ waitFor: 2 });
  join("a");
  join("b");
  report("a", "ready");
  report("b", "ready");
  runUntil(1_000);
  report("a", "done", 3);
  report("b", "done", 3);
  runUntil(1_010);
  assert.equal(session.state, "open");
  const count = sent.length;
  runUntil(100_000);
  assert.equal(sent.length, count, "nobody is left: silence");
  join("c");
  report("c", "ready");
  const before = symbols().length;
  runUntil(100_100);
  assert(symbols().length > before);
  assert(!words.includes("over"));
});

test("sender: a receiver that is silent for 60 s is lost, and back when it reports", () => {
  const { runUntil, join, report, session, words } = start();
  join("a");
  report("a", "ready");
  runUntil(59_000);
  assert.equal(session.state, "streaming");
  runUntil(62_000);
  assert.equal(session.state, "open");
  assert(words.includes("a lost"));
  report("a", "receiving");
  runUntil(63_000);
  assert.equal(session.state, "streaming");
});

test("sender, once: one pass, then it waits for the last words", () => {
  const { runUntil, join, report, session, symbols, words } = start({ once: true });
  join("a");
  report("a", "ready");
  runUntil(1_000);
  assert.equal(session.state, "ended");
  assert.deepEqual(
    symbols(),
    Array.from({ length: 30 }, (_, at) => at),
  );
  join("late");
  runUntil(2_000);
  report("a", "done", 3);
  runUntil(3_000);
  assert(!words.includes("over"), "the late one is still at it");
  report("late", "failed");
  runUntil(4_100);
  assert.equal(words.at(-1), "over");
});

test("sender, once: is over when those that are left get no further", () => {
  const { runUntil, join, report, words, session } = start({ once: true, idleEndMs: 10_000 });
  join("a");
  report("a", "ready");
  for (let at = 1_000; at <= 20_000; at += 1_000) {
    report("a", "receiving", Math.min(3, Math.floor(at / 5_000)));
    runUntil(at);
  }
  assert(!words.includes("over"), "it got further at 15 s");
  for (let at = 21_000; at <= 26_500; at += 500) {
    report("a", "receiving", 3);
    runUntil(at);
  }
  assert.equal(words.at(-1), "over");
  assert.equal(session.isOver, true);
});

test("sender: stop ends it at any time", () => {
  const { runUntil, join, report, session, words } = start();
  join("a");
  report("a", "ready");
  runUntil(500);
  session.stop("cancelled");
  runUntil(600);
  assert.equal(words.at(-1), "over");
  assert.equal(session.state, "ended");
  assert.equal(report("a", "receiving"), true, "receivers may still report");
});

test("sender: an image of zeros has nothing to send but canaries", () => {
  const { runUntil, join, report, session, sent, words } = start({}, []);
  join("a");
  report("a", "ready");
  runUntil(5_000);
  assert.equal(session.state, "streaming");
  assert(sent.length > 10 && sent.every(({ kind }) => kind === PacketKind.canary));
  report("a", "done");
  runUntil(6_000);
  assert(words.includes("open"));
});

test("sender, once: who needs nothing and is done before the others come is waited for no more", () => {
  const { runUntil, join, report, words } = start({ once: true, waitFor: 2 }, []);
  join("a");
  report("a", "ready");
  runUntil(500);
  report("a", "done");
  runUntil(1_000);
  assert(!words.includes("over"), "the second one has not come yet");
  join("b");
  report("b", "ready");
  report("b", "done");
  runUntil(2_000);
  assert.deepEqual(words.slice(-3), ["streaming", "ended", "over"]);
});

test("sender: nobody reports for a receiver that is not there", () => {
  const { report } = start();
  assert.equal(report("ghost", "ready"), false);
});

test("sender: a stream knows so many receivers and no more; those that are finished make place", () => {
  const { session, join, report } = start();
  for (let number = 0; number < MOST_RECEIVERS; number += 1) assert(join(`r${number}`));
  assert.equal(join("late"), false);
  assert.equal(session.receivers.length, MOST_RECEIVERS);
  report("r7", "done", 3);
  assert.equal(join("late"), true);
  assert.equal(session.receivers.length, MOST_RECEIVERS);
  assert.equal(report("r7", "done", 3), false, "forgotten");
  assert.equal(join("later"), false);
});
