import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamLayout } from "../../multicast/layout.ts";
import { encodePacket, PacketKind, packetFormat } from "../../multicast/packet.ts";
import { MARKS_PER_PASS } from "../../multicast/pass-marks.ts";
import { StreamReceiver } from "../../multicast/receiver.ts";
import { descriptionOf } from "./streams.ts";

function start(sizes: readonly number[], shape: { symbolBytes?: number; symbolsPerBlock?: number } = {}) {
  const description = descriptionOf(sizes, shape);
  const layout = new StreamLayout(
    description,
    sizes.map((storedBytes) => ({ storedBytes })),
  );
  const receiver = new StreamReceiver(description, layout, {
    memoryBytes: 1 << 20,
    silenceMs: 5_000,
    now: 0,
    random: () => 0.5,
  });
  receiver.onStreamState("streaming", 0);
  const format = packetFormat(description);
  let sequence = 0;
  let now = 0;
  return {
    receiver,
    layout,
    /** Sends symbols of the stream; those in `lost` do not arrive. */
    send(from: number, to: number, lost: (number: number) => boolean = () => false): void {
      for (let number = from; number < to; number += 1, sequence += 1, now += 1) {
        if (lost(number)) continue;
        const block = Math.floor(number / layout.symbolsPerBlock);
        const symbol = number % layout.symbolsPerBlock;
        const payload = new Uint8Array(layout.symbolBytes);
        const packet = {
          kind: PacketKind.symbol,
          symbol,
          plannedParity: 0,
          block,
          sequence,
          sendTimeTenthsMs: 0,
          payload,
        };
        receiver.onDatagram(encodePacket(packet, format), now);
      }
    },
    repair(block: number, symbol: number, plannedParity: number): void {
      const payload = new Uint8Array(layout.symbolBytes);
      const packet = { kind: PacketKind.repair, symbol, plannedParity, block, sequence, sendTimeTenthsMs: 0, payload };
      sequence += 1;
      receiver.onDatagram(encodePacket(packet, format), now);
    },
    /** What it asks for, from now on and until `ms` later. */
    wishes(ms: number): string[] {
      const asked: string[] = [];
      for (const end = now + ms; now < end; now += 1) {
        for (const { block, count, lacking } of receiver.takeFeedback(now)?.wishes ?? []) {
          asked.push(`${block}+${count}:${lacking}`);
        }
      }
      return asked;
    },
    /** @param pause in 10 ms, at the end of a pass */
    canary(block = 0, pause = 1): string {
      const packet = {
        kind: PacketKind.canary,
        symbol: 0,
        plannedParity: pause,
        block,
        sequence: sequence++,
        sendTimeTenthsMs: 0,
        payload: new Uint8Array(),
      };
      return receiver.onDatagram(encodePacket(packet, format), now);
    },
    takeAll(): number[] {
      const packs: number[] = [];
      for (let repair = receiver.takeRepair(); repair !== undefined; repair = receiver.takeRepair()) {
        receiver.onRepaired(repair.block);
      }
      for (let ready = receiver.takeReady(); ready !== undefined; ready = receiver.takeReady()) {
        receiver.onPackDone(ready.pack);
        packs.push(ready.pack);
      }
      return packs;
    },
    wanted: (at = now) => [...receiver.wantedByUnicast(at)],
    marks: () =>
      receiver
        .takeMarks()
        .map(({ isMissing }) => (isMissing ? "x" : "."))
        .join(""),
  };
}

const hundred = Array.from({ length: 10 }, () => 640);

test("receiver: a whole pass gives every pack and fifty marks", () => {
  const { receiver, send, takeAll, marks } = start(hundred);
  send(0, 100);
  assert.deepEqual(takeAll(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(receiver.isComplete, true);
  assert.equal(receiver.fullPasses, 0);
  receiver.onStreamState("ended", 100);
  assert.equal(marks(), ".".repeat(MARKS_PER_PASS));
});

test("receiver: what is missing is marked, asked for, and repaired", () => {
  const { receiver, send, takeAll, marks, wanted, wishes, repair, canary } = start(hundred);
  send(0, 100, (number) => number === 31 || number === 77);
  assert.deepEqual(takeAll(), [0, 1, 2, 4, 5, 6, 8, 9]);
  assert.deepEqual(wishes(40), ["3+1:1", "9+1:1"], "once, after the time in which others may still come");
  repair(3, 200, 1);
  assert.deepEqual(takeAll(), [3]);
  assert.deepEqual(wishes(150), ["9+1:1"], "what did not come is asked for again");
  canary(13);
  assert.equal(marks(), `${".".repeat(15)}x${".".repeat(22)}x${".".repeat(11)}`);
  repair(9, 8, 1);
  assert.deepEqual(takeAll(), [7]);
  assert.deepEqual(wishes(500), []);
  assert.equal(receiver.isComplete, true);
  assert.deepEqual([receiver.symbolsRepaired, receiver.datagramsLost], [2, 2]);
  assert.deepEqual(wanted(), []);
});

test("receiver: it keeps silent while enough repairs are announced, and speaks when they were not enough", () => {
  const { send, takeAll, wishes, repair } = start(hundred);
  send(0, 40, (number) => number >= 8 && number < 11);
  repair(1, 8, 3);
  assert.deepEqual(wishes(60), [], "two more are announced, and two are lacking");
  repair(1, 10, 3);
  assert.deepEqual(wishes(60), ["1+1:1"], "the last one announced went by, one was lost");
  repair(1, 11, 4);
  assert.deepEqual(takeAll().toSorted(), [0, 1, 2, 3]);
});

test("receiver: blocks that are missing by more than half are asked for once, and again at the end of the pass", () => {
  const { send, wishes, canary, receiver } = start(hundred);
  send(0, 96, (number) => number >= 16 && number < 40);
  assert.deepEqual(wishes(80), ["2+3:8"]);
  assert.deepEqual(wishes(1_000), []);
  canary(13);
  assert.deepEqual(wishes(80), ["2+3:8", "12+1:4"], "what was not sent to us yet, too");
  assert.deepEqual(receiver.neededBlocks(), [
    [2, 3],
    [12, 1],
  ]);
});

test("receiver: a late one asks for the beginning when the sender has nothing else to send", () => {
  const { send, wishes, canary } = start(hundred);
  send(48, 100);
  assert.deepEqual(wishes(500), []);
  canary(13);
  assert.deepEqual(wishes(80), ["0+6:8"]);
});

test("receiver: a late one counts its pass from where it joined", () => {
  const { receiver, send, takeAll, wanted } = start(hundred);
  send(42, 100);
  send(0, 42);
  assert.equal(receiver.fullPasses, 0);
  assert.equal(takeAll().length, 10);
  send(42, 43);
  assert.equal(receiver.fullPasses, 1);
  assert.deepEqual(wanted(), []);
});

test("receiver: losing the place where the pass began does not hide its end", () => {
  const { receiver, send } = start(hundred);
  send(42, 100);
  send(0, 100, (number) => number >= 35 && number < 60);
  assert.equal(receiver.fullPasses, 1);
});

test("receiver: everything is wanted by unicast when the stream is over, or silent while it should run", () => {
  const { receiver, send, wanted } = start(hundred);
  receiver.onStreamState("open", 0);
  assert.deepEqual(wanted(60_000), [], "an open stream may be silent");
  receiver.onStreamState("streaming", 60_000);
  assert.deepEqual(wanted(64_000), []);
  assert.equal(wanted(65_000).length, 10);
  send(0, 10);
  receiver.onStreamState("ended", 65_000);
  assert.equal(wanted(65_000).length, 9);
});

test("receiver: a wrong pack is asked for again, and the second time wanted by unicast", () => {
  const { receiver, send, wanted, wishes } = start(hundred);
  send(0, 24);
  assert.equal(receiver.takeReady()?.pack, 0);
  receiver.onPackWrong(0);
  assert.deepEqual(wanted(), []);
  assert.deepEqual(wishes(100), ["0+2:8"], "its blocks as wholes: nobody knows which symbol was wrong");
  send(0, 16);
  assert.equal(receiver.takeReady()?.pack, 1);
  receiver.onPackDone(1);
  assert.equal(receiver.takeReady()?.pack, 0);
  receiver.onPackWrong(0);
  assert.deepEqual(wanted(), [0]);
});

test("receiver: whoever forges pass after pass fills no memory with marks", () => {
  const { receiver, send, marks } = start(hundred);
  for (let pass = 0; pass < 500; pass += 1) {
    send(90, 91);
    send(10, 11);
  }
  assert(marks().length <= 4 * MARKS_PER_PASS);
  assert.equal(receiver.isComplete, false);
});

test("receiver: canaries and strangers", () => {
  const { receiver, canary, send } = start(hundred);
  assert.equal(receiver.hasSymbols, false);
  assert.equal(canary(), "canary");
  assert.equal(receiver.datagramsReceived, 1);
  assert.equal(receiver.onDatagram(Buffer.from("hello"), 1), "wrong-size");
  send(0, 1);
  assert.equal(receiver.hasSymbols, true);
  assert.deepEqual(Object.fromEntries(receiver.fates), { canary: 1, "wrong-size": 1, kept: 1 });
});

test("receiver: a stream of one symbol ends its pass with the second time it comes", () => {
  const { receiver, send, takeAll } = start([10]);
  send(0, 1);
  assert.equal(receiver.fullPasses, 0);
  send(0, 1);
  assert.equal(receiver.fullPasses, 1);
  assert.deepEqual(takeAll(), [0]);
});

test("receiver: an image of zeros is complete at once", () => {
  const { receiver, canary } = start([]);
  assert.equal(canary(), "canary");
  assert.equal(receiver.isComplete, true);
});

test("receiver: a forged canary that tells it not to pause does not silence it", () => {
  const { receiver, layout, send, canary, wishes } = start([10, 10, 10, 10], { symbolBytes: 5, symbolsPerBlock: 4 });
  send(0, layout.symbolCount, (number) => number === 1);
  canary(layout.blockCount, 0);
  assert.notDeepEqual(wishes(100), []);
  // Its request was not answered, and the sender's own canary comes while it rests.
  canary(layout.blockCount, 0);
  assert.notDeepEqual(wishes(90), []);
  canary(layout.blockCount, 5);
  assert.notDeepEqual(wishes(2_000), [], "it asks again");
  assert(Number.isFinite(receiver.feedbackDueAt ?? 0));
});

test("receiver: a repair that it has, announcing more and more, does not put off its request", () => {
  const { layout, send, repair, wishes } = start(hundred);
  send(0, layout.symbolCount, (number) => number === 31 || number === 30);
  repair(3, 8, 255);
  let asked = 0;
  for (let times = 0; times < 20; times += 1) {
    repair(3, 8, 255);
    asked += wishes(10).length;
  }
  assert(asked > 0);
});

test("receiver: a sender that was started again has another clock: that is no delay, whichever way its numbers went", () => {
  for (const [restartedAt, clockMs] of [
    [3_000_000_000, -858],
    [100_000_000, 400],
  ] as const) {
    const description = descriptionOf([400_000], {});
    const layout = new StreamLayout(description, [{ storedBytes: 400_000 }]);
    const options = { memoryBytes: 1 << 20, silenceMs: 5_000, now: 0, random: () => 0.5 };
    const receiver = new StreamReceiver(description, layout, options);
    const format = packetFormat(description);
    const send = (sequence: number, sentMs: number, now: number) => {
      const sendTimeTenthsMs = Math.floor(sentMs * 10) & 0xffff;
      const what = { kind: PacketKind.canary, symbol: 0, plannedParity: 0, block: 0, payload: new Uint8Array(0) };
      receiver.onDatagram(encodePacket({ ...what, sequence, sendTimeTenthsMs }, format), now);
    };
    for (let number = 0; number < 400; number += 1) send(2_000_000_000 + number, number * 5, number * 5);
    for (let number = 0; number < 400; number += 1)
      send(restartedAt + number, 5_000 + number * 5 + clockMs, 5_000 + number * 5);
    assert(receiver.delayMs! < 1, `${receiver.delayMs} ms`);
  }
});
