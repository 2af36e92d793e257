import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { FRAME_BYTES, PACKET_HEADER_BYTES, writePacket } from "../../multicast/packet.ts";
import { SendRing } from "./send-ring.ts";
import type { FromThread, ThreadStart } from "./send-thread.ts";
import type { DataSender, SenderOptions } from "./sender-options.ts";

/**
 * So much is prepared before it is due: so long may the server be busy with something else. Repairs go behind it; they
 * were waited for longer.
 */
const AHEAD_MS = 35;
const LEAST_AHEAD = 16;
const MOST_AHEAD = 8192;
/** What it sends is not in its heap: there is little, and it should not be left to grow. */
const THREAD_MEMORY = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 };
/** A full ring is left alone for such a part of the time that it takes to run empty: mostly 7 ms. */
const FULL_SHARE = 0.2;
/** At low rates longer, so that a slow stream wakes nobody for every datagram; but the rate may rise meanwhile. */
const MOST_FULL_MS = 100;

/**
 * Sends from a thread of its own, which keeps the pace exactly and hands the system many datagrams at a time.
 *
 * @returns undefined where that cannot be done: without koffi, or when the system refuses it
 */
export async function openThreadedSender(options: SenderOptions): Promise<DataSender | undefined> {
  const { log, format, ...plain } = options;
  const datagramBytes = PACKET_HEADER_BYTES + format.symbolBytes;
  const fillAt = (rateBytesPerSecond: number, most: number) => {
    const datagramMs = ((datagramBytes + FRAME_BYTES) / rateBytesPerSecond) * 1_000;
    const ahead = Math.min(most, Math.max(LEAST_AHEAD, Math.ceil(AHEAD_MS / datagramMs)));
    return { ahead, fullMs: Math.min(MOST_FULL_MS, ahead * datagramMs * FULL_SHARE) };
  };
  let { ahead, fullMs } = fillAt(plain.rateBytesPerSecond, MOST_AHEAD);
  const ring = SendRing.create(2 ** Math.ceil(Math.log2(ahead)), datagramBytes);
  ring.rateBytesPerSecond = plain.rateBytesPerSecond;
  const start: ThreadStart = { memory: ring.memory, format, datagramBytes, options: plain };
  // The package has the same file compiled.
  const file = import.meta.url.endsWith(".ts") ? "./send-thread.ts" : "./send-thread.js";
  const worker = new Worker(new URL(file, import.meta.url), { workerData: start, resourceLimits: THREAD_MEMORY });
  let isBroken = false;
  const ended = once(worker, "exit").then(() => {
    isBroken = !ring.isClosing;
  });
  worker.on("error", (error) => log.error({ err: error }, "the thread that sends the stream broke"));
  const said = new Promise<FromThread | undefined>((resolve) => {
    worker.once("message", resolve);
    worker.once("exit", () => resolve(undefined));
  });
  const answer = await said;
  if (answer?.type !== "ready") {
    log.warn({ why: answer?.why ?? "it ended" }, "no thread to send from, the stream goes by Node's own socket");
    ring.close();
    await ended;
    return undefined;
  }
  return {
    pace: {
      readyAt: (now) => (ring.waiting >= ahead && !isBroken ? now + fullMs : now),
      take: () => undefined,
      most: () => Math.max(1, ahead - ring.waiting),
      setRate(rateBytesPerSecond) {
        ({ ahead, fullMs } = fillAt(rateBytesPerSecond, ring.capacity));
        ring.rateBytesPerSecond = rateBytesPerSecond;
      },
    },
    send(packet, count = 1) {
      if (isBroken) throw new Error("The thread that sends the stream ended by itself.");
      ring.add(count, (bytes, at) => writePacket(bytes, packet, format, at));
    },
    get refused() {
      return ring.refused;
    },
    close() {
      ring.close();
    },
  };
}
