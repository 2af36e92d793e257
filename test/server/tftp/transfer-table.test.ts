import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { negotiate } from "../../../server/tftp/negotiation.ts";
import { decodeTftp, encodeTftp, type TftpPacket } from "../../../server/tftp/packet.ts";
import { ReadTransfer } from "../../../server/tftp/read-transfer.ts";
import { TransferTable } from "../../../server/tftp/transfer-table.ts";

/** A table whose output is written down. */
function tableOf() {
  const sent: string[] = [];
  const ends: string[] = [];
  const table = new TransferTable<string>({
    sendBlocks: (entry, first, count) => sent.push(`${entry.peer} blocks ${first}-${first + count - 1}`),
    sendPacket: (peer, packet) => sent.push(`${peer} ${wordsOf(decodeTftp(packet))}`),
    suspectMtu: (id) => ends.push(`${id} suspect`),
    ended: (id, { result }) => ends.push(`${id} ${result}`),
  });
  const start = (id: number, client: string, now = 0, sizeBytes = 1300) => {
    const file = new Uint8Array(sizeBytes);
    const terms = negotiate([], { fileBytes: file.length, maxBlockSize: 1468, maxWindowSize: 16 });
    const transfer = new ReadTransfer(file, terms);
    table.start({ id, key: client, peer: client, file, transfer, lastHeardMs: now }, now);
  };
  /** As a socket does it. */
  const hear = (client: string, packet: TftpPacket | Uint8Array, now = 0) => {
    const bytes = packet instanceof Uint8Array ? packet : encodeTftp(packet);
    if (!table.onPacket(client, bytes, now)) table.onStranger(client, now);
  };
  return { table, start, hear, sent, ends };
}

function wordsOf(packet: TftpPacket): string {
  return packet.type === "error" ? `error ${packet.code} ${packet.message}` : packet.type;
}

test("table: each packet goes to its own client's transfer", () => {
  const { start, hear, sent, ends } = tableOf();
  start(1, "a");
  start(2, "b");
  hear("b", { type: "ack", block: 1 });
  hear("a", { type: "ack", block: 1 });
  hear("b", { type: "ack", block: 2 });
  hear("b", { type: "ack", block: 3 });
  assert.deepEqual(sent, ["a blocks 1-1", "b blocks 1-1", "b blocks 2-2", "a blocks 2-2", "b blocks 3-3"]);
  assert.deepEqual(ends, ["2 done"]);
});

test("table: a stranger gets error 5, eight times and then once a second, and disturbs nobody", () => {
  const { start, hear, sent, ends } = tableOf();
  start(1, "a", 10_000);
  for (let copy = 0; copy < 20; copy += 1) hear("x", { type: "error", code: 0, message: "die" }, 10_000);
  assert.equal(sent.filter((line) => line === "x error 5 Unknown transfer ID").length, 8);
  hear("x", { type: "ack", block: 1 }, 12_000);
  hear("x", { type: "ack", block: 1 }, 12_000);
  hear("x", { type: "ack", block: 1 }, 12_000);
  assert.equal(sent.filter((line) => line.startsWith("x ")).length, 10);
  hear("a", { type: "ack", block: 1 }, 12_000);
  assert.equal(sent.at(-1), "a blocks 2-2");
  assert.deepEqual(ends, []);
});

test("table: what a client still says after its transfer or after a refusal is not answered", () => {
  const { table, start, hear, sent } = tableOf();
  start(1, "a", 0, 100);
  hear("a", { type: "ack", block: 1 });
  table.refuse("b", "b", 1, "File not found", 0);
  sent.length = 0;
  hear("a", { type: "ack", block: 1 }, 1000);
  hear("a", { type: "error", code: 0, message: "" }, 1000);
  hear("b", { type: "error", code: 1, message: "" }, 1000);
  assert.deepEqual(sent, []);
});

test("table: memory of ended transfers is bounded, in number and in time", () => {
  const { table } = tableOf();
  for (let client = 0; client < 10_000; client += 1) table.refuse(`client ${client}`, "x", 1, "", 0);
  assert.equal(table.lastUseMs("client 0"), Number.NEGATIVE_INFINITY);
  assert.notEqual(table.lastUseMs("client 9999"), Number.NEGATIVE_INFINITY);
  table.refuse("later", "x", 1, "", 31_000);
  assert.equal(table.lastUseMs("client 9999"), Number.NEGATIVE_INFINITY);
});

test("table: a repeated request repeats the first packet, and starts anew when the transfer was past it", () => {
  const { table, start, hear, sent, ends } = tableOf();
  start(1, "a");
  table.onRepeatedRequest(1, 100);
  assert.deepEqual(sent, ["a blocks 1-1", "a blocks 1-1"]);
  hear("a", { type: "ack", block: 1 }, 200);
  table.onRepeatedRequest(1, 300);
  assert.deepEqual(ends, [], "it may be a copy that was long on its way");
  table.onRepeatedRequest(1, 2300);
  assert.deepEqual(ends, ["1 superseded"]);
});

test("table: a request that comes again when nothing more is sent to it starts anew", () => {
  const { table, start, sent, ends } = tableOf();
  start(1, "a");
  for (const now of [1000, 3000, 7000]) table.onTimer(now);
  assert.equal(sent.length, 3);
  table.onRepeatedRequest(1, 8000);
  assert.deepEqual(ends, ["1 superseded"]);
});

test("table: it is woken for the first deadline of all, and for nothing when nothing runs", () => {
  const { table, start, hear } = tableOf();
  assert.equal(table.deadline, Number.POSITIVE_INFINITY);
  start(1, "a", 0);
  start(2, "b", 500);
  assert.equal(table.deadline, 1000);
  hear("a", { type: "error", code: 0, message: "" }, 600);
  table.onTimer(1000);
  assert.equal(table.deadline, 1500);
  hear("b", { type: "error", code: 0, message: "" }, 1200);
  table.onTimer(1500);
  assert.equal(table.deadline, Number.POSITIVE_INFINITY);
});

test("table: any packets from anybody at any time: no error, and no more than one packet to who has not answered", () => {
  const packet = fc.oneof(
    fc.uint8Array({ maxLength: 30 }),
    fc
      .tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 5 }))
      .map(([opcode, number]) => Uint8Array.of(0, opcode, 0, number)),
  );
  fc.assert(
    fc.property(
      fc.array(fc.record({ from: fc.constantFrom("a", "b", "x"), packet, waitMs: fc.integer({ min: 0, max: 3000 }) })),
      (events) => {
        const { table, start, hear, sent, ends } = tableOf();
        start(1, "a");
        start(2, "b");
        let now = 0;
        for (const event of events) {
          now += event.waitMs;
          table.onTimer(now);
          hear(event.from, event.packet, now);
          const { deadline } = table;
          assert(deadline > now || deadline === Number.POSITIVE_INFINITY || deadline <= now + 1);
        }
        assert(ends.length <= 4);
        if (!events.some(({ from }) => from === "a")) {
          assert(sent.filter((line) => line.startsWith("a ")).length <= 3, "three packets without an answer");
        }
      },
    ),
  );
});
