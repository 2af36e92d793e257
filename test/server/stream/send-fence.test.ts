import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { joinGroup } from "../../../agent/stream/socket.ts";
import { PACKET_HEADER_BYTES, PacketKind, packetFormat } from "../../../multicast/packet.ts";
import { monotonicMs, SendFence } from "../../../server/stream/send-fence.ts";
import { openMulticastSender } from "../../../server/stream/socket.ts";

const symbolBytes = 1452;
const interfaceAddress = "127.0.0.1";
const group = "239.192.99.9";
/** Others may run the same test: of another process, on another port. */
const port = 20_000 + (process.pid % 10_000);

test("a fence is open until its time, in all threads alike, and closed before it was ever opened", () => {
  const fence = new SendFence();
  const sameElsewhere = new SendFence(fence.memory);
  assert(!sameElsewhere.isOpen);
  fence.untilMs = monotonicMs() + 60_000;
  assert(sameElsewhere.isOpen);
  fence.untilMs = Number.NEGATIVE_INFINITY;
  assert(!sameElsewhere.isOpen);
  fence.untilMs = monotonicMs() - 1;
  assert(!sameElsewhere.isOpen);
});

for (const withoutKoffi of [false, true]) {
  test(`nothing is sent behind a closed fence, ${withoutKoffi ? "node:dgram" : "koffi"}`, async (t) => {
    const fence = new SendFence();
    const open = (streamId: string, memory?: SendFence["memory"]) =>
      openMulticastSender({
        ...{ group, port, interfaceAddress, ttl: 0, loopback: true, withoutKoffi, rateBytesPerSecond: 50_000_000 },
        format: packetFormat({ streamId, symbolBytes }),
        fence: memory,
        log: pino({ level: "silent" }),
      });
    const fenced = await open("0123456789abcdef", fence.memory);
    t.after(() => fenced.close());
    const free = await open("fedcba9876543210");
    t.after(() => free.close());
    const arrivals = new EventTarget();
    let [ofFenced, ofFree] = [0, 0];
    const datagramBytes = PACKET_HEADER_BYTES + symbolBytes;
    const socket = await joinGroup({
      ...{ group, port, interfaceAddress, datagramBytes, withoutKoffi },
      onDatagram(bytes) {
        if (bytes[bytes.length - 1] === 1) ofFenced += 1;
        else ofFree += 1;
        arrivals.dispatchEvent(new Event("datagram"));
      },
    });
    t.after(() => socket.close());
    let sequence = 0;
    const send = (sender: typeof free, mark: number) =>
      sender.send({
        ...{ kind: PacketKind.symbol, block: 0, symbol: 0, plannedParity: 0, sequence: sequence++ },
        payload: new Uint8Array(symbolBytes).fill(mark),
      });
    for (let at = 0; at < 8; at += 1) await send(fenced, 1);
    while (ofFree < 8) {
      const came = once(arrivals, "datagram");
      await send(free, 2);
      await Promise.race([came, sleep(50)]);
    }
    assert.equal(ofFenced, 0);
    fence.untilMs = monotonicMs() + 60_000;
    while (ofFenced === 0) {
      const came = once(arrivals, "datagram");
      await send(fenced, 1);
      await Promise.race([came, sleep(50)]);
    }
  });
}
