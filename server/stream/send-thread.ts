import { setPriority } from "node:os";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { Pacer } from "../../multicast/pacer.ts";
import { FRAME_BYTES, type PacketFormat, PacketStamp } from "../../multicast/packet.ts";
import { BatchSender } from "../../udp/batch-sender.ts";
import { type IPv4Peer, ipv4Peer } from "../../udp/ipv4-peer.ts";
import { openDescriptor } from "../../udp/open-descriptor.ts";
import { loadSystemCalls, type SystemCalls } from "../../udp/system-calls.ts";
import { SendFence } from "./send-fence.ts";
import { type RingMemory, SendRing } from "./send-ring.ts";
import { type SenderOptions, STUCK_MS, sendBufferBytes } from "./sender-options.ts";

/**
 * The thread of `threaded-sender.ts`: takes datagrams from the ring at the stream's pace and sends what is due in one
 * system call. It blocks instead of using timers: they are a millisecond coarse, and late when the server is busy.
 */

export type ThreadStart = {
  readonly memory: RingMemory;
  readonly format: PacketFormat;
  readonly datagramBytes: number;
  readonly options: Omit<SenderOptions, "log" | "format">;
};

export type FromThread = { readonly type: "ready" } | { readonly type: "refused"; readonly why: string };

/** As little as makes it worth to wake up; half of what may go at once. */
const NAP_MS = 1;
/** How soon it is seen that a fence is open again. */
const FENCED_MS = 20;
/** It needs little, but at its time: what it misses by more than 20 ms is never sent. */
const NICE = -10;

function run(parent: MessagePort, start: ThreadStart): void {
  const say = (message: FromThread) => parent.postMessage(message);
  const calls = loadSystemCalls();
  if (calls === undefined) {
    say({ type: "refused", why: "koffi is not there" });
    return;
  }
  const { options } = start;
  const { interfaceAddress, ttl, loopback, group: address, port } = options;
  let descriptor: ReturnType<typeof openDescriptor>;
  try {
    descriptor = openDescriptor(calls, {
      address: interfaceAddress,
      sendBufferBytes: sendBufferBytes(options.rateBytesPerSecond),
      multicast: { interfaceAddress, ttl, loopback },
      isLowerEffort: true,
    });
  } catch (error) {
    say({ type: "refused", why: (error as Error).message });
    return;
  }
  preferThisThread();
  say({ type: "ready" });
  const { canSegment, number } = descriptor;
  try {
    const sender = new BatchSender(calls, { descriptor: number, canSegment, stuckMs: STUCK_MS });
    send(calls, start, sender, ipv4Peer(address, port));
  } finally {
    calls.close(number);
  }
}

// On Linux a "process" is this thread.
function preferThisThread(): void {
  try {
    setPriority(0, NICE);
  } catch {
    // Only root may.
  }
}

/** Returns when the ring is closed. */
function send(
  calls: SystemCalls,
  { memory, format, datagramBytes, options }: ThreadStart,
  sender: BatchSender,
  group: IPv4Peer,
): void {
  const ring = new SendRing(memory, datagramBytes);
  const fence = options.fence === undefined ? undefined : new SendFence(options.fence);
  const packets = new PacketStamp(format);
  const dataAddress = calls.addressOf(new Uint8Array(memory.data));
  let rate = ring.rateBytesPerSecond;
  const pacer = new Pacer(rate, datagramBytes + FRAME_BYTES, performance.now());
  while (!ring.isClosing) {
    if (rate !== ring.rateBytesPerSecond) {
      rate = ring.rateBytesPerSecond;
      pacer.setRate(rate);
    }
    const { number, place, count } = ring.first();
    if (count === 0) {
      ring.awaitDatagram();
      continue;
    }
    // What waits goes on when it is open again; otherwise it is another server's by then.
    if (fence?.isOpen === false) {
      ring.nap(FENCED_MS);
      continue;
    }
    const now = performance.now();
    const sendTimeTenthsMs = Math.floor(now * 10) & 0xffff;
    const due = pacer.takeDue(Math.min(count, sender.mostJoined(datagramBytes)), now);
    for (let at = 0; at < due; at += 1) packets.stamp(ring.datagram(number + at), sendTimeTenthsMs);
    if (due === 0) {
      ring.nap(Math.max(NAP_MS, pacer.readyAt(now) - now));
      continue;
    }
    sender.begin(group, { count: due, datagramBytes, parts: 1, copiedBytes: 0 });
    sender.addMemory(dataAddress + place * datagramBytes, due * datagramBytes);
    ring.onSent(due, sender.flush());
  }
}

run(parentPort!, workerData as ThreadStart);
parentPort!.close();
