import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { negotiate } from "../../../server/tftp/negotiation.ts";
import { ReadTransfer, type TransferAction, type TransferResult } from "../../../server/tftp/read-transfer.ts";

/** One packet to the client, or the end. */
type Packet =
  | Exclude<TransferAction, { type: "send-data" | "suspect-mtu" }>
  | { readonly type: "send-data"; readonly block: number; readonly data: Uint8Array };

/** The packets that a socket would make of the actions. */
function packetsOf(transfer: ReadTransfer, file: Uint8Array, actions: readonly TransferAction[]): Packet[] {
  return actions.flatMap((action): Packet[] => {
    if (action.type === "suspect-mtu") return [];
    if (action.type !== "send-data") return [action];
    return Array.from({ length: action.count }, (_, at) => {
      const { from, to } = transfer.dataOf(action.first + at);
      return { type: "send-data", block: transfer.wireNumber(action.first + at), data: file.subarray(from, to) };
    });
  });
}

function contentOf(sizeBytes: number): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, at) => (at * 31 + (at >> 8)) & 0xff);
}

function transferOf(
  file: Uint8Array,
  asked: Readonly<Record<string, number>>,
  wrapTo: 0 | 1 = 0,
): { transfer: ReadTransfer; blockSize: number } {
  const options = Object.entries(asked).map(([name, value]) => [name, String(value)] as const);
  const terms = negotiate(options, { fileBytes: file.length, maxBlockSize: 65464, maxWindowSize: 64 });
  return { transfer: new ReadTransfer(file, terms, { wrapTo }), blockSize: terms.blockSize };
}

type Run = {
  readonly received: Uint8Array;
  readonly result: TransferResult;
  readonly packets: number;
  readonly endedMs: number;
  readonly resends: number;
};

/** A client of RFC 1350 and 7440 on a network with a fake clock that loses the packets that `isLost` names. */
function run(
  file: Uint8Array,
  asked: Readonly<Record<string, number>>,
  network: {
    /** Counts packets of both directions, from 0. */
    isLost?: (packet: number) => boolean;
    copiesOfAck?: number;
    acksLastBlock?: boolean;
    wrapTo?: 0 | 1;
  } = {},
): Run {
  const wrapTo = network.wrapTo ?? 0;
  const { transfer, blockSize } = transferOf(file, asked, wrapTo);
  const windowSize = asked["windowsize"] ?? 1;
  const chunks: Uint8Array[] = [];
  let packets = 0;
  let sent = 0;
  let now = 0;
  let result: TransferResult | undefined;
  let expected = 1;
  let inWindow = 0;
  let hasAll = false;
  const next = (block: number) => (block === 65535 ? wrapTo : block + 1);
  const before = (block: number) => (block === wrapTo && chunks.length >= 65535 ? 65535 : block - 1);
  const isLost = () => network.isLost?.(packets++) ?? false;

  // ACKs wait here, because the server must finish sending a window first.
  const toServer: number[] = [];
  const acknowledge = (block: number) => {
    for (let copy = 0; copy < (network.copiesOfAck ?? 1); copy += 1) if (!isLost()) toServer.push(block);
  };
  const receive = (action: Packet) => {
    if (action.type === "end") {
      result = action.result;
      return;
    }
    sent += 1;
    if (isLost()) return;
    if (action.type === "send-options") {
      if (chunks.length === 0) acknowledge(0);
      return;
    }
    if (hasAll) return;
    if (action.block !== expected) {
      // RFC 1350: a repeated block means that our ACK was lost. RFC 7440 section 4: a gap is answered at once with
      // the last block in order, once per window.
      if (inWindow >= 0 && chunks.length > 0) acknowledge(before(expected));
      else if (inWindow >= 0 && Object.keys(asked).length > 0) acknowledge(0);
      if (windowSize > 1) inWindow = -1;
      return;
    }
    chunks.push(action.data);
    expected = next(expected);
    inWindow = Math.max(inWindow, 0) + 1;
    hasAll = action.data.length < blockSize;
    if (inWindow < windowSize && !hasAll) return;
    inWindow = 0;
    if (!hasAll || network.acksLastBlock !== false) acknowledge(action.block);
  };

  let actions = transfer.start(now);
  for (let step = 0; result === undefined; step += 1) {
    assert(step < 2_000_000, "the transfer never ends");
    for (const packet of packetsOf(transfer, file, actions)) receive(packet);
    if (result !== undefined) break;
    const ack = toServer.shift();
    if (ack !== undefined) actions = transfer.onAck(ack, now);
    else {
      assert(transfer.deadline > now, "a running transfer always has a deadline");
      now = transfer.deadline;
      actions = transfer.onTimer(now);
      inWindow = Math.max(inWindow, 0);
    }
  }
  return { received: Buffer.concat(chunks), result, packets: sent, endedMs: now, resends: transfer.resends };
}

const shapes: readonly [
  name: string,
  sizeBytes: number,
  asked: Readonly<Record<string, number>>,
  dataPackets: number,
][] = [
  ["plain 512", 1300, {}, 3],
  ["a multiple of the block size ends with an empty block", 1024, {}, 3],
  ["an empty file is one empty block", 0, {}, 1],
  ["an empty file with tsize", 0, { tsize: 0 }, 1],
  ["blocks of 8 bytes", 100, { blksize: 8 }, 13],
  ["blocks of 1468 bytes", 10000, { blksize: 1468 }, 7],
  ["one huge block", 60000, { blksize: 65464 }, 1],
  ["window 1", 10000, { windowsize: 1 }, 20],
  ["window 4", 10000, { blksize: 1468, windowsize: 4 }, 7],
  ["window 4, the file a multiple of the window", 4 * 512, { windowsize: 4 }, 5],
  ["window 16", 40000, { windowsize: 16 }, 79],
  ["window 64", 40000, { windowsize: 64 }, 79],
];

for (const [name, sizeBytes, asked, dataPackets] of shapes) {
  const file = contentOf(sizeBytes);
  const hasOptions = Object.keys(asked).length > 0;
  test(`tftp transfer: ${name}`, () => {
    const { received, result, packets, resends } = run(file, asked);
    assert.deepEqual(Buffer.compare(received, file), 0);
    assert.equal(result.result, "done");
    assert.equal(packets, dataPackets + (hasOptions ? 1 : 0));
    assert.equal(resends, 0);
  });

  test(`tftp transfer: ${name}, each single packet lost once`, () => {
    const count = run(file, asked, { isLost: () => false }).packets * 2;
    for (let lost = 0; lost < count; lost += 1) {
      const { received, result } = run(file, asked, { isLost: (packet) => packet === lost });
      assert.equal(Buffer.compare(received, file), 0, `packet ${lost}`);
      assert.equal(result.result, "done", `packet ${lost}`);
    }
  });

  test(`tftp transfer: ${name}, the last ACK never comes`, () => {
    const { received, result } = run(file, asked, { acksLastBlock: false });
    assert.equal(Buffer.compare(received, file), 0);
    assert.deepEqual(result, { result: "done", reason: "the last block was never acknowledged" });
  });
}

for (const asked of [{}, { blksize: 64, windowsize: 4 }, { blksize: 64, windowsize: 16 }]) {
  test(`tftp transfer: doubled ACKs do not double the packets, ${JSON.stringify(asked)}`, () => {
    const file = contentOf(100 * 512);
    const once = run(file, asked);
    const doubled = run(file, asked, { copiesOfAck: 2 });
    assert.equal(Buffer.compare(doubled.received, file), 0);
    // A window may be sent again for its sake, but rarely.
    const limit = "windowsize" in asked ? once.packets * 1.15 : once.packets;
    assert(doubled.packets <= limit, `${doubled.packets} packets instead of ${once.packets}`);
  });
}

test("tftp transfer: the first block of a window lost is repaired without waiting for the timer", () => {
  const file = contentOf(8 * 512 + 1);
  // OACK, ACK 0, blocks 1-4, ACK 4, then block 5.
  const { received, endedMs } = run(file, { windowsize: 4 }, { isLost: (packet) => packet === 7 });
  assert.equal(Buffer.compare(received, file), 0);
  assert(endedMs < 50, `${endedMs} ms are pauses between bursts`);
});

test("tftp transfer: after a loss the window is sent in smaller bursts, which grow again; the window stays as agreed", () => {
  const { transfer } = transferOf(contentOf(1000 * 512), { windowsize: 8 });
  transfer.start(0);
  let now = 0;
  /** The bursts of one window, all acknowledged at its end. */
  const windowFrom = (acknowledged: number, first: TransferAction[]) => {
    const bursts: number[] = [];
    for (let actions = first; ; actions = transfer.onTimer(now)) {
      const [action] = actions;
      assert(action?.type === "send-data");
      bursts.push(action.count);
      if (action.first + action.count - 1 === acknowledged + 8) return bursts;
      assert.equal(transfer.deadline - now, 2);
      now = transfer.deadline;
    }
  };
  assert.deepEqual(windowFrom(0, transfer.onAck(0, now)), [8]);
  // Only three of eight arrived.
  assert.deepEqual(windowFrom(3, transfer.onAck(3, now)), [4, 4]);
  assert.deepEqual(windowFrom(5, transfer.onAck(5, now)), [2, 2, 2, 2]);
  assert.deepEqual(windowFrom(13, transfer.onAck(13, now)), [3, 3, 2]);
  assert.deepEqual(windowFrom(21, transfer.onAck(21, now)), [4, 4]);
  for (let block = 29; block <= 29 + 8 * 5; block += 8) windowFrom(block, transfer.onAck(block, now));
  assert.deepEqual(windowFrom(77, transfer.onAck(77, now)), [8], "never more than was agreed");
});

for (const wrapTo of [0, 1] as const) {
  test(`tftp transfer: block numbers wrap to ${wrapTo}`, () => {
    const file = contentOf(8 * 140_000 + 3);
    const { received, result } = run(file, { blksize: 8, windowsize: 16 }, { wrapTo });
    assert.equal(Buffer.compare(received, file), 0);
    assert.equal(result.result, "done");
  });
}

test("tftp transfer: any losses: the file arrives whole or the transfer ends within its time", () => {
  fc.assert(
    fc.property(
      fc.record({
        sizeBytes: fc.integer({ min: 0, max: 3000 }),
        blksize: fc.integer({ min: 8, max: 300 }),
        windowsize: fc.integer({ min: 1, max: 20 }),
        lost: fc.array(fc.boolean(), { maxLength: 400 }),
      }),
      ({ sizeBytes, blksize, windowsize, lost }) => {
        const file = contentOf(sizeBytes);
        const { received, result, endedMs } = run(
          file,
          { blksize, windowsize },
          { isLost: (packet) => lost[packet] ?? false },
        );
        assert.equal(Buffer.compare(received, file.subarray(0, received.length)), 0);
        if (result.result === "done" && result.reason === "") assert.equal(received.length, file.length);
        else assert(endedMs >= (result.result === "done" ? 3750 : 7000), `gave up after ${endedMs} ms`);
      },
    ),
  );
});

test("tftp transfer: a client that never answers costs three packets, one at a time", () => {
  for (const asked of [{}, { blksize: 1468, windowsize: 16 }]) {
    const { result, packets, endedMs } = run(contentOf(100_000), asked, { isLost: () => true });
    assert.equal(result.result, "timeout");
    assert.equal(packets, 3);
    assert.equal(endedMs, 15_000);
  }
});

function waitsUntilGivenUp(transfer: ReadTransfer, from: number): number[] {
  const waits: number[] = [];
  for (let now = from; !transfer.hasEnded; ) {
    waits.push(transfer.deadline - now);
    now = transfer.deadline;
    transfer.onTimer(now);
  }
  return waits;
}

test("tftp transfer: an answer to the first packets may come late", () => {
  const { transfer } = transferOf(contentOf(10_000), { blksize: 1468 });
  transfer.start(0);
  while (transfer.deadline < 14_000) transfer.onTimer(transfer.deadline);
  assert.deepEqual(transfer.onAck(0, 14_000), [{ type: "send-data", first: 1, count: 1 }]);
});

test("tftp transfer: a client that falls silent is given up after about 30 s, with doubling waits", () => {
  const { transfer } = transferOf(contentOf(10_000), {});
  transfer.start(0);
  transfer.onAck(1, 500);
  assert.deepEqual(waitsUntilGivenUp(transfer, 500), [2000, 4000, 8000, 8000, 8000, 8000]);
  assert.equal(transfer.resends, 5);
});

test("tftp transfer: resends wait four times as long as the client's answers take, at least 250 ms", () => {
  const { transfer } = transferOf(contentOf(10_000), {});
  transfer.start(0);
  transfer.onAck(1, 1);
  assert.deepEqual(waitsUntilGivenUp(transfer, 1), [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
  const slow = transferOf(contentOf(10_000), {}).transfer;
  slow.start(0);
  slow.onAck(1, 600);
  assert.equal(slow.deadline, 600 + 2400);
});

test("tftp transfer: a client that asks for long waits does not wait long for each lost packet; the waits grow to what it asked", () => {
  const { transfer } = transferOf(contentOf(10_000), { timeout: 20 });
  transfer.start(0);
  assert.equal(transfer.deadline, 1000);
  transfer.onAck(0, 1);
  assert.deepEqual(waitsUntilGivenUp(transfer, 1), [250, 500, 1000, 2000, 4000, 8000, 16000]);
});

test("tftp transfer: a client that asks for the end after it was taken for received still gets it", () => {
  const { transfer } = transferOf(contentOf(600), {});
  transfer.start(0);
  transfer.onAck(1, 1);
  waitsUntilGivenUp(transfer, 1);
  const later = transfer.deadline + 2000;
  assert.deepEqual(transfer.onAck(1, later), [{ type: "send-data", first: 2, count: 1 }]);
  assert.deepEqual(transfer.onAck(1, later + 10), [], "a doubled ACK does not double it");
  assert.deepEqual(transfer.onAck(2, later + 20), []);
});

test("tftp transfer: the timer before its time does nothing", () => {
  const { transfer } = transferOf(contentOf(1000), {});
  transfer.start(100);
  assert.deepEqual(transfer.onTimer(1099), []);
  assert.equal(transfer.onTimer(1100).length, 1);
});

test("tftp transfer: an ACK beyond the window, or long past, is ignored", () => {
  const { transfer } = transferOf(contentOf(100 * 512), { windowsize: 4 });
  transfer.start(0);
  assert.deepEqual(transfer.onAck(1, 0), [], "blocks cannot be acknowledged before the options");
  assert.deepEqual(transfer.onAck(0, 0), [{ type: "send-data", first: 1, count: 4 }]);
  assert.deepEqual(transfer.onAck(4, 0), [{ type: "send-data", first: 5, count: 4 }]);
  for (const block of [9, 100, 65535, 3, 2, 1, 0]) assert.deepEqual(transfer.onAck(block, 0), [], `ACK ${block}`);
  assert.equal(transfer.resends, 0);
});

test("tftp transfer: an ACK inside the window continues behind it", () => {
  const file = contentOf(100 * 512);
  const { transfer } = transferOf(file, { windowsize: 4 });
  const blocksOf = (actions: readonly TransferAction[]) =>
    packetsOf(transfer, file, actions).map((packet) => packet.type === "send-data" && packet.block);
  transfer.start(0);
  transfer.onAck(0, 0);
  assert.deepEqual(blocksOf(transfer.onAck(2, 0)), [3, 4]);
  assert.deepEqual(blocksOf(transfer.onTimer(transfer.deadline)), [5, 6], "the rest of the window, after a pause");
  assert.equal(transfer.resends, 2);
});

test("tftp transfer: error 8 or 0 right after an OACK is a probe whatever was agreed; later, and without one, it is not", () => {
  for (const code of [0, 8]) {
    const resultOf = (options: Record<string, number>, acks: readonly number[]) => {
      const { transfer } = transferOf(contentOf(3000), options);
      transfer.start(0);
      for (const block of acks) transfer.onAck(block, 0);
      const [end] = transfer.onError(code, "enough");
      return end?.type === "end" ? end.result.result : end;
    };
    assert.equal(resultOf({ blksize: 1468 }, []), "probe");
    assert.equal(resultOf({ blksize: 1468, windowsize: 4 }, [0]), "probe");
    assert.equal(resultOf({ blksize: 1468 }, [0, 1]), "aborted");
    assert.equal(resultOf({}, []), "aborted");
  }
});

test("tftp transfer: firmware that only asks for the size is a probe, not a failure", () => {
  for (const code of [0, 8]) {
    const { transfer } = transferOf(contentOf(1000), { tsize: 0, blksize: 1468 });
    transfer.start(0);
    const [end] = transfer.onError(code, "User aborted the transfer");
    assert.deepEqual(end, {
      type: "end",
      result: { result: "probe", reason: "the client asked for the size only" },
    });
  }
});

test("tftp transfer: an error in the middle is an abort, and nothing follows it", () => {
  const { transfer } = transferOf(contentOf(10_000), { tsize: 0 });
  transfer.start(0);
  transfer.onAck(0, 0);
  transfer.onAck(1, 0);
  const [end] = transfer.onError(3, "Disk full\x1b[2J");
  assert.deepEqual(end, {
    type: "end",
    result: { result: "aborted", reason: "the client sent error 3: Disk full?[2J" },
  });
  assert.equal(transfer.acknowledgedBytes, 512);
  assert.deepEqual([...transfer.onAck(2, 0), ...transfer.onTimer(1e6), ...transfer.onError(0, "")], []);
});

test("tftp transfer: a repeated request gets the first packet again, three times in all", () => {
  const { transfer } = transferOf(contentOf(10_000), { blksize: 1468 });
  const [first] = transfer.start(0);
  assert.deepEqual(transfer.onRepeatedRequest(10), [first]);
  assert.deepEqual(transfer.onRepeatedRequest(20), [first]);
  assert.deepEqual(transfer.onRepeatedRequest(30), []);
  transfer.onAck(0, 40);
  assert.deepEqual(transfer.onRepeatedRequest(50), [], "and none once it runs");
});

test("tftp transfer: a first block that does not arrive after the options did makes the MTU suspect, once", () => {
  const suspicions = (asked: Readonly<Record<string, number>>, acknowledged: readonly number[]) => {
    const { transfer } = transferOf(contentOf(10_000), asked);
    transfer.start(0);
    for (const block of acknowledged) transfer.onAck(block, 0);
    let count = 0;
    while (!transfer.hasEnded) {
      count += transfer.onTimer(transfer.deadline).filter(({ type }) => type === "suspect-mtu").length;
    }
    return count;
  };
  assert.equal(suspicions({ blksize: 1468 }, [0]), 1);
  assert.equal(suspicions({ blksize: 1468 }, [0, 1]), 0, "the first block arrived");
  assert.equal(suspicions({ blksize: 1468 }, []), 0, "not even the options arrived");
  assert.equal(suspicions({ blksize: 512 }, [0]), 0, "there is nothing smaller");
});
