import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { joinGroup } from "../../../agent/stream/socket.ts";
import { decodePacket, PACKET_HEADER_BYTES, PacketKind, packetFormat } from "../../../multicast/packet.ts";
import { openMulticastSender } from "../../../server/stream/socket.ts";
import { loadSystemCalls } from "../../../udp/system-calls.ts";

/** Both ways to send with both ways to receive: what arrives must be the same. */
const silentLog = pino({ level: "silent" });
const symbolBytes = 1452;
const format = packetFormat({ streamId: "0123456789abcdef", symbolBytes });
const interfaceAddress = "127.0.0.1";
const group = "239.192.99.7";
const packets = 500;
const rateBytesPerSecond = 10_000_000;
let port = 41_000 + (process.pid % 4_000);

for (const isSenderPlain of [false, true]) {
  for (const isReceiverPlain of [false, true]) {
    const named = (isPlain: boolean) => (isPlain ? "node:dgram" : "koffi");
    test(`sent by ${named(isSenderPlain)}, received by ${named(isReceiverPlain)}`, { timeout: 20_000 }, async (t) => {
      if (!isSenderPlain || !isReceiverPlain) assert(loadSystemCalls(), "koffi is installed for the tests");
      port += 1;
      const heard: { sequence: number; payload: string; atMs: number }[] = [];
      const all = Promise.withResolvers<void>();
      const receiver = await joinGroup({
        group,
        port,
        interfaceAddress,
        datagramBytes: PACKET_HEADER_BYTES + symbolBytes,
        withoutKoffi: isReceiverPlain,
        onDatagram(bytes) {
          const packet = decodePacket(bytes, format);
          assert(typeof packet !== "string", `${packet}`);
          const payload = Buffer.from(packet.payload.subarray(0, 8)).toString("hex");
          heard.push({ sequence: packet.sequence, payload, atMs: packet.sendTimeTenthsMs / 10 });
          if (heard.length === packets) all.resolve();
        },
      });
      t.after(() => receiver.close());
      const sender = await openMulticastSender({
        group,
        port,
        interfaceAddress,
        ttl: 0,
        loopback: true,
        format,
        rateBytesPerSecond,
        log: silentLog,
        withoutKoffi: isSenderPlain,
      });
      t.after(() => sender.close());
      for (let sequence = 0; sequence < packets; ) {
        const now = performance.now();
        const readyAt = sender.pace.readyAt(now);
        if (readyAt > now) {
          await new Promise((resolve) => setTimeout(resolve, readyAt - now));
          continue;
        }
        sender.pace.take(now);
        const payload = Buffer.alloc(sequence === packets - 1 ? 10 : symbolBytes, sequence & 0xff);
        await sender.send({ kind: PacketKind.symbol, block: 1, symbol: 2, plannedParity: 3, sequence, payload });
        sequence += 1;
      }
      await all.promise;
      assert.equal(sender.refused, 0);
      const expected = Array.from({ length: packets }, (_, sequence) => sequence);
      assert.deepEqual(
        heard.map(({ sequence }) => sequence),
        expected,
      );
      for (const { sequence, payload } of heard)
        assert.equal(payload, Buffer.alloc(8, sequence & 0xff).toString("hex"));
      // Never more than 2 ms of line time leave together: what has one send time left together, or nearly.
      const together = Map.groupBy(heard, ({ atMs }) => atMs);
      const mostTogether = (rateBytesPerSecond / 1_000) * 2;
      for (const [atMs, burst] of together) {
        const bytes = burst.length * (PACKET_HEADER_BYTES + symbolBytes + 42);
        assert(bytes <= mostTogether, `${bytes} bytes at ${atMs}`);
      }
    });
  }
}

test("an address that is not one of this machine is a Fault", async () => {
  for (const withoutKoffi of [false, true]) {
    const options = { group, port, ttl: 0, loopback: true, format, rateBytesPerSecond, log: silentLog, withoutKoffi };
    const opened = openMulticastSender({ ...options, interfaceAddress: "192.0.2.1" });
    await assert.rejects(opened, { code: "INTERFACE_UNKNOWN" });
    const joined = joinGroup({
      group,
      port,
      interfaceAddress: "192.0.2.1",
      datagramBytes: 100,
      onDatagram: () => undefined,
      withoutKoffi,
    });
    await assert.rejects(joined, { code: "GROUP_JOIN_FAILED" });
  }
});

test("a full ring is left alone for 8 ms, and for longer when the stream is slow: nobody wakes up for each datagram", async (t) => {
  port += 1;
  const sender = await openMulticastSender({
    ...{ group, port, interfaceAddress, ttl: 0, loopback: true, format, log: silentLog },
    rateBytesPerSecond,
  });
  t.after(() => sender.close());
  const payload = Buffer.alloc(symbolBytes);
  let sequence = 0;
  const leftAloneMs = () => {
    for (;;) {
      const now = performance.now();
      const readyAt = sender.pace.readyAt(now);
      if (readyAt > now) return readyAt - now;
      void sender.send({ kind: PacketKind.symbol, block: 0, symbol: 0, plannedParity: 0, sequence, payload });
      sequence += 1;
    }
  };
  const usual = leftAloneMs();
  assert(usual > 7 && usual < 9, `${usual} ms`);
  for (const [rate, least, most] of [
    [100_000, 40, 60],
    [1_000, 100, 100],
  ] as const) {
    sender.pace.setRate(rate);
    const leftMs = leftAloneMs();
    assert(leftMs >= least - 0.001 && leftMs <= most + 0.001, `${leftMs} ms at ${rate} bytes a second`);
  }
});
