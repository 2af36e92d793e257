import { parentPort } from "node:worker_threads";
import { Fault } from "../../fault.ts";
import { decodeChunk } from "../../images/udif/codecs.ts";
import type { ChunkAnswer, ChunkOrder } from "./chunk-threads.ts";

/** One thread of `ChunkThreads`: unpacks what it is sent, one chunk after the other. */
parentPort!.on("message", async ({ codec, bytes, length }: ChunkOrder) => {
  try {
    const plain = await decodeChunk(codec, bytes, length);
    // Handed over, not copied: it fills its memory, as every decoder makes a new one.
    const whole = plain.byteLength === plain.buffer.byteLength ? plain : plain.slice();
    answer({ plain: whole }, [whole.buffer as ArrayBuffer]);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    answer({ fault: error.toJSON() });
  }
});

function answer(message: ChunkAnswer, handedOver: ArrayBuffer[] = []): void {
  parentPort!.postMessage(message, handedOver);
}
