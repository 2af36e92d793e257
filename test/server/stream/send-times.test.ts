import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { pino } from "pino";
import { joinGroup } from "../../../agent/stream/socket.ts";
import { FRAME_BYTES, PACKET_HEADER_BYTES, PacketKind, packetFormat } from "../../../multicast/packet.ts";
import { openMulticastSender } from "../../../server/stream/socket.ts";

/** When datagrams really leave, as the kernel saw them on the loopback interface. */
const tcpdump = ["/usr/bin/tcpdump", "/usr/sbin/tcpdump"].find((path) => existsSync(path));
const skip =
  tcpdump === undefined
    ? "tcpdump is not installed"
    : process.getuid?.() === 0
      ? false
      : "only root may see what is on the wire";

const symbolBytes = 1452;
const wireBytes = PACKET_HEADER_BYTES + symbolBytes + FRAME_BYTES;
const format = packetFormat({ streamId: "0123456789abcdef", symbolBytes });
const group = "239.192.99.8";
/** Others may run the same test: of another process, on another port. */
let port = 45_000 + (process.pid % 4_000);
const rates = [10_000_000, 4_000_000, 20_000_000];
const DATAGRAMS_A_RATE = 1_200;
/** The type of service of DSCP LE (RFC 8622). */
const LOWER_EFFORT = 4;

type Seen = { readonly atMs: number; readonly bytes: number; readonly service: number };

for (const withoutKoffi of [false, true]) {
  const name = withoutKoffi ? "node:dgram" : "koffi";
  const what = `what ${name} sends is even on the wire at every rate, and marked where it can be`;
  test(what, { skip, timeout: 60_000 }, async (t) => {
    port += 4_000;
    const capture = spawn(
      tcpdump!,
      [
        "-i",
        "lo",
        "-U",
        "-s",
        "64",
        "-B",
        "16384",
        "--immediate-mode",
        "-w",
        "-",
        `udp and dst host ${group} and dst port ${port}`,
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    t.after(() => capture.kill());
    const captured: Buffer[] = [];
    const read = (async () => {
      const wanted = rates.length * DATAGRAMS_A_RATE * wireBytes;
      for await (const bytes of capture.stdout) {
        captured.push(bytes);
        if (bytesOf(decodeCapture(Buffer.concat(captured))) >= wanted) return;
      }
    })();
    for await (const line of createInterface({ input: capture.stderr })) if (/listening on/.test(line)) break;
    const sender = await openMulticastSender({
      group,
      port,
      interfaceAddress: "127.0.0.1",
      ttl: 0,
      loopback: true,
      format,
      rateBytesPerSecond: rates[0]!,
      log: pino({ level: "silent" }),
      withoutKoffi,
    });
    let count = 0;
    let onCount: () => void = () => undefined;
    const receiver = await joinGroup({
      group,
      port,
      interfaceAddress: "127.0.0.1",
      datagramBytes: PACKET_HEADER_BYTES + symbolBytes,
      onDatagram: () => {
        count += 1;
        onCount();
      },
    });
    t.after(() => receiver.close());
    const arrived = (wanted: number) =>
      new Promise<void>((resolve) => {
        onCount = () => (count >= wanted ? resolve() : undefined);
        onCount();
      });
    const payload = new Uint8Array(symbolBytes);
    for (const [step, rate] of rates.entries()) {
      sender.pace.setRate(rate);
      for (let sent = 0; sent < DATAGRAMS_A_RATE; ) {
        const now = performance.now();
        const readyAt = sender.pace.readyAt(now);
        if (readyAt > now) {
          await new Promise((resolve) => setTimeout(resolve, readyAt - now));
          continue;
        }
        sender.pace.take(now);
        const sequence = step * DATAGRAMS_A_RATE + sent;
        await sender.send({ kind: PacketKind.symbol, block: 0, symbol: 0, plannedParity: 0, sequence, payload });
        sent += 1;
      }
      // All have left: nothing of this rate is sent at the next.
      await arrived((step + 1) * DATAGRAMS_A_RATE);
    }
    sender.close();
    // It is behind what it captures, and drops that when it is told to end.
    await read;
    const seen = decodeCapture(Buffer.concat(captured));
    assert.equal(bytesOf(seen), rates.length * DATAGRAMS_A_RATE * wireBytes, "all were seen");
    // Node cannot mark what it sends.
    for (const { service } of seen) assert.equal(service, withoutKoffi ? 0 : LOWER_EFFORT);
    let from = 0;
    for (const rate of rates) {
      let end = from;
      for (let left = DATAGRAMS_A_RATE * wireBytes; left > 0; end += 1) left -= seen[end]!.bytes;
      checkEven(seen.slice(from, end), rate);
      from = end;
    }
  });
}

/**
 * A message is at most 2 ms of the rate. A thread that loses its processor between looking at the clock and sending is
 * late with one message; so in any stretch there may be one more than the pacer's own bound.
 */
function checkEven(seen: readonly Seen[], rate: number): void {
  const burst = Math.max((rate / 1_000) * 2, wireBytes);
  for (const { bytes } of seen) assert(bytes <= burst, `${bytes} in one message at ${rate}`);
  for (const windowMs of [2, 10, 50]) {
    const most = (rate / 1_000) * 1.05 * windowMs + 2 * burst + wireBytes;
    for (let first = 0, last = 0, sum = 0; last < seen.length; last += 1) {
      sum += seen[last]!.bytes;
      while (seen[last]!.atMs - seen[first]!.atMs > windowMs) {
        sum -= seen[first]!.bytes;
        first += 1;
      }
      assert(sum <= most, `${sum} of ${most} in ${windowMs} ms at ${rate}`);
    }
  }
}

function bytesOf(seen: readonly Seen[]): number {
  return seen.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** A capture of Ethernet frames with microseconds. One message of several datagrams is one frame on loopback. */
function decodeCapture(bytes: Buffer): Seen[] {
  const seen: Seen[] = [];
  for (let at = 24; at + 16 <= bytes.length && at + 16 + bytes.readUInt32LE(at + 8) <= bytes.length; ) {
    const atMs = bytes.readUInt32LE(at) * 1_000 + bytes.readUInt32LE(at + 4) / 1_000;
    const kept = bytes.readUInt32LE(at + 8);
    const udpBytes = bytes.readUInt32LE(at + 12) - 42;
    const datagrams = udpBytes / (PACKET_HEADER_BYTES + symbolBytes);
    seen.push({ atMs, bytes: datagrams * wireBytes, service: bytes[at + 16 + 15]! });
    at += 16 + kept;
  }
  return seen;
}
