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
    firstSequence: 0,
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

test("sender: starts when all are ready, sends in order, and counts every datagram", () => {
  const { sent, runUntil, join, report, session, symbols, words } = start({ waitFor: 2 });
  join("a");
  join("b");
  runUntil(1_000);
  report("a", "ready");
  runUntil(20_000);
  assert.equal(session.waitingFor, "1 of 2 hosts ready");
  assert.deepEqual(symbols(), []);
  report("b", "ready");
  runUntil(21_000);
  assert.deepEqual(
    symbols(),
    Array.from({ length: 30 }, (_, at) => at),
  );
  assert(words.includes("pass 1"));
  assert(
    sent.slice(-10).every(({ kind }) => kind === PacketKind.canary),
    "it asks who lacks something",
  );
  assert.deepEqual(
    sent.map(({ sequence }) => sequence),
    sent.map((_, at) => at),
  );
});

test("sender: who joins in the middle gets the rest of the pass, and what it missed in the next", () => {
  const { runUntil, join, report, symbols, words } = start();
  join("a");
  report("a", "ready");
  runUntil(15);
  const missed = symbols().length;
  assert(missed > 8 && missed < 24, `${missed}`);
  join("b");
  runUntil(1_000);
  assert(words.includes("pass 2"));
  const second = symbols().slice(30);
  assert.deepEqual(
    second,
    Array.from({ length: second.length }, (_, at) => at),
  );
  assert(second.length >= missed && second.length < missed + 8, "whole blocks, and no more");
});

test("sender: who holds most asks for the rest only", () => {
  const { runUntil, session, report, symbols } = start();
  session.join("a", "a", undefined, 0, [
    [1, 1],
    [3, 900],
  ]);
  report("a", "ready");
  runUntil(1_000);
  assert.deepEqual(symbols(), [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29]);
});

const receiver = "aaaaaaaaaaaaaaaa";

/** A stream that has gone through its pass; one receiver with a signer's name takes part. */
function afterPass() {
  const room = start();
  room.join(receiver);
  room.report(receiver, "ready");
  room.runUntil(1_000);
  const newest = room.sent.at(-1)!.sequence;
  const before = room.sent.length;
  const ask = (wishes: Parameters<typeof room.session.onFeedback>[0]["wishes"], at = newest, who = receiver) =>
    room.session.onFeedback({ receiver: who, newest: at, wishes }, room.now());
  const repairs = () => room.sent.slice(before).filter(({ kind }) => kind === PacketKind.repair);
  return { ...room, ask, repairs, newest };
}

test("sender: repairs are parity symbols, as many as the one who lacks most asked for and one for the end", () => {
  const { runUntil, ask, repairs } = afterPass();
  assert.equal(ask([{ block: 1, count: 1, lacking: 2 }]), true);
  assert.equal(ask([{ block: 1, count: 1, lacking: 1 }]), true);
  runUntil(2_000);
  // Symbols are numbered through the stream here: block 1, symbols 8, 9 and 10.
  assert.deepEqual(
    repairs().map(({ number }) => number),
    [16, 17, 18],
  );
});

test("sender: receivers of one address are heard as one together, also when they join again and again", () => {
  const room = start();
  const ids = Array.from({ length: 64 }, (_, number) => number.toString(16).padStart(16, "0"));
  for (const id of ids) {
    room.join(id);
    room.report(id, "ready");
  }
  room.runUntil(1_000);
  const newest = room.sent.at(-1)!.sequence;
  const wishes = [{ block: 1, count: 1, lacking: 1 }];
  let heard = 0;
  const askAll = (addressOf?: (id: string) => string) => {
    for (const who of ids)
      if (room.session.onFeedback({ receiver: who, newest, wishes }, room.now(), addressOf)) heard += 1;
    return heard;
  };
  assert.equal(
    askAll(() => "10.0.0.66"),
    10,
  );
  room.report(ids[0]!, "left");
  room.join(ids[0]!);
  room.report(ids[0]!, "ready");
  assert.equal(
    askAll(() => "10.0.0.66"),
    10,
  );
  assert.equal(askAll(), 74, "with an address each, all are heard");
});

test("sender: what was sent after the request's newest datagram may still help; what was before it is lost", () => {
  const { runUntil, ask, repairs, newest } = afterPass();
  ask([{ block: 1, count: 1, lacking: 2 }]);
  runUntil(1_100);
  const sent = repairs().length;
  ask([{ block: 1, count: 1, lacking: 2 }], newest);
  runUntil(1_200);
  assert.equal(repairs().length, sent, "it asked before it could have them");
  ask([{ block: 1, count: 1, lacking: 2 }], repairs().at(-1)!.sequence);
  runUntil(1_300);
  assert.equal(repairs().length, 2 * sent, "they were lost: the same number again, and other symbols");
  assert.equal(new Set(repairs().map(({ number }) => number)).size, 2 * sent);
});

test("sender: requests of strangers, for blocks that are not there, and after the end are refused", () => {
  const { runUntil, ask, repairs, report } = afterPass();
  assert.equal(ask([{ block: 1, count: 1, lacking: 2 }], 0, "bbbbbbbbbbbbbbbb"), false);
  assert.equal(ask([{ block: 4, count: 0xffff, lacking: 2 }]), true);
  runUntil(1_500);
  assert.deepEqual(repairs(), []);
  report(receiver, "done", 3);
  assert.equal(ask([{ block: 1, count: 1, lacking: 2 }]), false);
});

test("sender: a pass for a receiver that left is not sent to those who are still here", () => {
  const { runUntil, join, report, symbols } = start();
  join(receiver);
  report(receiver, "ready");
  runUntil(15);
  join("b");
  report("b", "left");
  runUntil(1_000);
  assert.equal(symbols().length, 30);
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

test("sender: when it was started again it does not wait for hosts that ended before", () => {
  const { session, runUntil, join, report, words } = start({ waitFor: 3 });
  join("a");
  report("a", "receiving");
  runUntil(2_900);
  join("b");
  report("b", "receiving");
  assert.equal(session.state, "open");
  assert.equal(session.waitingFor, "2 of 3 hosts ready");
  runUntil(3_300);
  assert(words.includes("streaming"), "those who are back are enough");
});

test("sender: waits for nobody who cannot come any more, and for no fewer than one", () => {
  const { runUntil, join, report, session } = start({ waitFor: 3 });
  join("a");
  join("b");
  report("a", "ready");
  runUntil(1_000);
  session.expectAtMost(9);
  assert.equal(session.waitingFor, "1 of 3 hosts ready");
  session.expectAtMost(2);
  runUntil(1_100);
  assert.deepEqual([session.state, session.waitingFor], ["open", "1 of 2 hosts ready"]);
  report("b", "ready");
  runUntil(1_200);
  assert.equal(session.state, "streaming");
  const alone = start({ waitFor: 3 });
  alone.session.expectAtMost(0);
  alone.runUntil(1_000);
  assert.equal(alone.session.state, "open", "nobody is there");
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
  assert.equal(session.state, "streaming", "somebody may still ask for repairs");
  runUntil(2_500);
  assert.equal(session.state, "ended");
  assert.deepEqual(
    symbols(),
    Array.from({ length: 30 }, (_, at) => at),
  );
  join("late");
  runUntil(3_000);
  report("a", "done", 3);
  runUntil(4_000);
  assert(!words.includes("over"), "the late one is still at it");
  report("late", "failed");
  runUntil(5_100);
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

test("sender: while it is held only canaries are sent, and then it goes on where it was", () => {
  const { sent, runUntil, join, report, session, symbols, now } = start();
  join("a");
  report("a", "ready");
  runUntil(10);
  const before = symbols();
  const first = session.hold("the gateway answers late");
  const second = session.hold("DNS does not answer");
  assert.equal(session.waitingFor, "the gateway answers late; DNS does not answer");
  const from = sent.length;
  runUntil(2_010);
  first(now());
  first(now());
  runUntil(4_010);
  const held = sent.slice(from);
  assert(held.every(({ kind, number }) => kind === PacketKind.canary && number === 0));
  assert(held.length >= 14 && held.length <= 18, `${held.length} canaries in 4 s`);
  assert.equal(session.state, "streaming");
  second(now());
  assert.equal(session.waitingFor, "");
  runUntil(4_100);
  assert(before.length > 0 && before.length < 30);
  assert.deepEqual(
    symbols(),
    Array.from({ length: 30 }, (_, number) => number),
  );
});

test("sender: a once stream that is held after its pass is not over for that", () => {
  const { runUntil, join, report, session, now } = start({ once: true });
  join("a");
  report("a", "ready");
  runUntil(200);
  const release = session.hold("the gateway answers late");
  for (let at = 10_000; at <= 50_000; at += 10_000) {
    runUntil(at);
    report("a", "receiving");
  }
  assert.equal(session.state, "streaming");
  release(now());
  runUntil(50_500);
  assert.equal(session.state, "streaming");
  runUntil(53_000);
  assert.equal(session.state, "ended");
});

test("sender: a burst of canaries goes before the first symbol, at the stream's rate, once", () => {
  const { sent, runUntil, join, report, session, symbols, now } = start({ burst: { datagrams: 20, waitMs: 1_500 } });
  join("a");
  report("a", "ready");
  runUntil(100);
  assert(sent.length >= 20 && sent.length <= 23, `${sent.length} canaries`);
  assert(sent.every(({ kind, number }) => kind === PacketKind.canary && number === 0));
  assert((sent[19]?.at ?? 0) - (sent[0]?.at ?? 0) < 25, "at 1 a millisecond");
  assert.match(session.waitingFor, /burst/);
  const canary = { received: 19, lost: 1 };
  session.report(
    "a",
    { state: "ready", packsDone: 0, packsTotal: 3, symbolsReceived: 19, symbolsLost: 1, canary },
    now(),
  );
  session.poll(now());
  const [event] = session.takeEvents();
  assert.deepEqual(event?.type === "burst" && [event.result.worst, event.result.worstLossShare], ["a", 0.05]);
  assert.equal(session.waitingFor, "");
  runUntil(200);
  assert.equal(symbols().length > 20, true);
});

test("sender: the burst is waited for no longer than it should, and not repeated when a host wants the stream again", () => {
  const { sent, runUntil, join, report, symbols, words } = start({ burst: { datagrams: 20, waitMs: 1_500 } });
  join("a");
  report("a", "ready");
  runUntil(1_500);
  assert.equal(symbols().length, 0);
  runUntil(1_900);
  assert.equal(symbols().length, 30);
  report("a", "done", 3);
  runUntil(2_000);
  assert.equal(words.at(-1), "open");
  const before = sent.filter(({ kind }) => kind === PacketKind.canary).length;
  join("b");
  report("b", "ready");
  runUntil(2_200);
  assert.equal(symbols().length, 60);
  assert(sent.filter(({ kind }) => kind === PacketKind.canary).length - before < 10);
});

test("sender: with a Loop Suspend it goes on for so many passes after the last receiver, then waits for the next", () => {
  const { runUntil, join, report, symbols, words, session } = start({ loopSuspend: 2 });
  join("a");
  report("a", "ready");
  runUntil(100);
  report("a", "done", 3);
  const sent = symbols().length;
  runUntil(2_000);
  assert.equal(symbols().length - sent, 60, "two passes for nobody");
  assert.deepEqual(words.slice(-3), ["pass 2", "pass 3", "open"]);
  join("b");
  report("b", "ready");
  runUntil(2_500);
  assert.equal(session.state, "streaming");
});

test("sender: a request that nothing is sent for does not keep the only pass open", () => {
  const { session, runUntil, join, report, now } = start({ once: true });
  join("a");
  report("a", "ready");
  runUntil(200);
  for (let times = 0; times < 40; times += 1) {
    session.onFeedback({ receiver: "a", newest: 40, wishes: [{ block: 0, count: 1, lacking: 8 }] }, now());
    runUntil(now() + 100);
  }
  assert.equal(session.state, "ended");
});

test("sender: it says whether it has more than canaries to send: not before it starts, while it is held, and at the end", () => {
  const { session, runUntil, join, report } = start();
  join("one");
  runUntil(300);
  assert.equal(session.hasSymbolsToSend, false, "open");
  report("one", "ready");
  runUntil(305);
  assert.equal(session.hasSymbolsToSend, true, "in the pass");
  const release = session.hold("the gateway answers late");
  assert.equal(session.hasSymbolsToSend, false, "held");
  release(305);
  assert.equal(session.hasSymbolsToSend, true, "let go");
  runUntil(1_000);
  assert.equal(session.hasSymbolsToSend, false, "everything was sent");
  session.join("two", "two", undefined, 1_000);
  assert.equal(session.hasSymbolsToSend, true, "another one needs it");
});

test("sender: when all who were ready have left, the longest wait begins anew with the next one", () => {
  const { session, runUntil, join, report } = start({ waitFor: 2, maxWaitMs: 5_000 });
  join("one");
  report("one", "ready");
  runUntil(1_000);
  report("one", "left");
  runUntil(8_000);
  join("two");
  report("two", "ready");
  runUntil(12_900);
  assert.equal(session.state, "open");
  runUntil(13_100);
  assert.equal(session.state, "streaming");
});
