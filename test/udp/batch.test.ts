import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { BatchReceiver } from "../../udp/batch-receiver.ts";
import { BatchSender } from "../../udp/batch-sender.ts";
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
      const sending = openDescriptor(calls, { address, segmentBytes: datagramBytes, isLowerEffort: true });
      try {
        assert.equal(sending.canSegment, true);
        const options = { descriptor: sending.number, canSegment, datagramBytes, address, port };
        const sender = new BatchSender(calls, options);
        const memory = new SharedArrayBuffer(100 * datagramBytes);
        const bytes = new Uint8Array(memory);
        for (let at = 0; at < 100; at += 1) bytes.fill(at, at * datagramBytes, (at + 1) * datagramBytes);
        for (let at = 0; at < 100; ) {
          const count = Math.min(sender.mostAtOnce, 100 - at);
          assert.equal(sender.send(calls.addressOf(bytes) + at * datagramBytes, count, 100), 0);
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

test("a port that somebody has is refused, with the name of the call", async (t) => {
  assert(calls, "koffi is installed for the tests");
  const other = createSocket("udp4");
  t.after(() => other.close());
  other.bind({ address, port: 0 });
  await once(other, "listening");
  assert.throws(() => openDescriptor(calls, { address, port: other.address().port }), /^Error: bind to 127\.0\.0\.1/);
  assert.throws(() => openDescriptor(calls, { address: "192.0.2.1" }), /^Error: bind to 192\.0\.2\.1/);
});
