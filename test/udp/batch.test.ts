import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { BatchReceiver } from "../../udp/batch-receiver.ts";
import { BatchSender } from "../../udp/batch-sender.ts";
import { ipv4Peer } from "../../udp/ipv4-peer.ts";
import { openDescriptor } from "../../udp/open-descriptor.ts";
import { loadSystemCalls } from "../../udp/system-calls.ts";

const calls = loadSystemCalls();
const address = "127.0.0.1";
const datagramBytes = 1000;

for (const canSegment of [true, false]) {
  for (const joinsReceived of [true, false]) {
    test(`100 datagrams, ${canSegment ? "many" : "one"} a call, ${joinsReceived ? "joined" : "single"}`, () => {
      assert(calls, "koffi is installed for the tests");
      const port = 45_000 + (process.pid % 4_000);
      const receiving = openDescriptor(calls, { address, port, receiveBufferBytes: 1 << 20, joinsReceived });
      const sending = openDescriptor(calls, { address, isLowerEffort: true });
      try {
        assert.equal(sending.canSegment, true);
        const sender = new BatchSender(calls, { descriptor: sending.number, canSegment, stuckMs: 100 });
        const peer = ipv4Peer(address, port);
        const memory = new SharedArrayBuffer(100 * datagramBytes);
        const bytes = new Uint8Array(memory);
        for (let at = 0; at < 100; at += 1) bytes.fill(at, at * datagramBytes, (at + 1) * datagramBytes);
        for (let at = 0; at < 100; ) {
          const count = Math.min(sender.mostJoined(datagramBytes), 100 - at);
          sender.begin(peer, { count, datagramBytes, parts: 1, copiedBytes: 0 });
          sender.addMemory(calls.addressOf(bytes) + at * datagramBytes, count * datagramBytes);
          assert.equal(sender.flush(), 0);
          at += count;
        }
        const receiver = new BatchReceiver(calls, { count: 8, longestBytes: 65_536 });
        const heard: number[] = [];
        const lengths: number[] = [];
        const onDatagram = (got: Uint8Array, ip: number) => {
          assert.equal(ip, 0x7f000001);
          lengths.push(got.length);
          for (let from = 0; from < got.length; from += datagramBytes) heard.push(got[from]!);
        };
        while (receiver.receive(receiving.number, onDatagram) > 0);
        assert.deepEqual(
          heard,
          Array.from({ length: 100 }, (_, at) => at),
        );
        const isJoined = lengths.some((length) => length > datagramBytes);
        assert.equal(isJoined, canSegment && joinsReceived && receiving.joinsReceived);
      } finally {
        calls.close(receiving.number);
        calls.close(sending.number);
      }
    });
  }
}

/** SO_NO_CHECK: without checksums the system does not segment (net/ipv4/udp.c). */
const withoutChecksum = { level: 1, name: 11, value: new Uint8Array(new Int32Array([1]).buffer) };

test("what the system will not segment goes one by one: of one part, of two parts each, and a short last one", () => {
  assert(calls, "koffi is installed for the tests");
  const port = 45_000 + (process.pid % 4_000);
  const receiving = openDescriptor(calls, { address, port, receiveBufferBytes: 1 << 20 });
  const sending = openDescriptor(calls, { address });
  try {
    const { level, name, value } = withoutChecksum;
    assert.equal(calls.setsockopt(sending.number, level, name, value, value.length), 0);
    const sender = new BatchSender(calls, { descriptor: sending.number, canSegment: true, stuckMs: 100 });
    const peer = ipv4Peer(address, port);
    const memory = Uint8Array.from({ length: 10 }, (_, at) => at);
    const start = calls.addressOf(memory);
    assert.equal(sender.mostJoined(4), 64);
    sender.begin(peer, { count: 3, datagramBytes: 4, parts: 1, copiedBytes: 0 });
    sender.addMemory(start, 10);
    sender.begin(peer, { count: 2, datagramBytes: 7, parts: 4, copiedBytes: 8 });
    sender.addNumber(0x0003_fffe);
    sender.addMemory(start, 3);
    sender.addNumber(0x8003_ffff);
    sender.addMemory(start + 3, 0);
    sender.addPacket(peer, Uint8Array.of(9));
    sender.hold(memory);
    assert.equal(sender.flush(), 0);
    assert.equal(sender.mostJoined(4), 1);
    const heard: number[][] = [];
    const receiver = new BatchReceiver(calls, { count: 8, longestBytes: 100 });
    while (receiver.receive(receiving.number, (bytes) => void heard.push([...bytes])) > 0);
    assert.deepEqual(heard, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [0, 3, 255, 254, 0, 1, 2], [128, 3, 255, 255], [9]]);
  } finally {
    calls.close(receiving.number);
    calls.close(sending.number);
  }
});

test("what the system refuses is counted", () => {
  assert(calls, "koffi is installed for the tests");
  const sending = openDescriptor(calls, { address });
  try {
    const sender = new BatchSender(calls, { descriptor: sending.number, canSegment: true, stuckMs: 100 });
    const memory = new Uint8Array(30);
    // Port 0 is no target.
    sender.begin(ipv4Peer(address, 0), { count: 3, datagramBytes: 10, parts: 1, copiedBytes: 0 });
    sender.addMemory(calls.addressOf(memory), 30);
    sender.hold(memory);
    sender.addPacket(ipv4Peer(address, 0), memory);
    assert.equal(sender.flush(), 4);
    assert.equal(sender.flush(), 0);
  } finally {
    calls.close(sending.number);
  }
});

test("a port that somebody has is refused, with the name of the call", async (t) => {
  assert(calls, "koffi is installed for the tests");
  const other = createSocket("udp4");
  t.after(() => other.close());
  other.bind({ address, port: 0 });
  await once(other, "listening");
  assert.throws(() => openDescriptor(calls, { address, port: other.address().port }), /^Error: bind to 127\.0\.0\.1/);
  assert.throws(() => openDescriptor(calls, { address: "192.0.2.1" }), /^Error: bind to 192\.0\.2\.1/);
});
