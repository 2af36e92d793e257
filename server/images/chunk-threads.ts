import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { Fault, type FaultText } from "../../fault.ts";
import { decodeChunk, type PackedCodec } from "../../images/udif/codecs.ts";

export type ChunkOrder = { readonly codec: PackedCodec; readonly bytes: Uint8Array; readonly length: number };
export type ChunkAnswer = { readonly plain: Uint8Array } | { readonly fault: FaultText & { readonly code: string } };

type Job = {
  readonly order: ChunkOrder;
  readonly resolve: (plain: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Unpacks chunks of a .dmg on several cores, whatever their codec: zlib and xz
 * run in libuv's threads anyway, bzip2 and ADC in threads that are started for the first such chunk.
 */
export class ChunkThreads {
  readonly #most: number;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Job>();
  readonly #waiting: Job[] = [];
  #isClosed = false;

  /** @param most threads; default: one for each core */
  constructor(most = availableParallelism()) {
    this.#most = most;
  }

  /** As `decodeChunk`; a property, to be handed to `openUdif`. */
  readonly decode: typeof decodeChunk = (codec, bytes, length) => {
    if (codec !== "bzip2" && codec !== "adc") return decodeChunk(codec, bytes, length);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ order: { codec, bytes, length }, resolve, reject });
      this.#next();
    });
  };

  /** Chunks that are under way are given up. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const threads = [...this.#idle.splice(0), ...this.#busy.keys()];
    await Promise.all(threads.map((thread) => thread.terminate()));
    for (const { reject } of this.#waiting.splice(0)) reject(closed());
  }

  #next(): void {
    const job = this.#waiting[0];
    if (job === undefined) return;
    if (this.#isClosed) {
      this.#waiting.shift();
      job.reject(closed());
      return;
    }
    const thread = this.#idle.pop() ?? (this.#busy.size < this.#most ? this.#start() : undefined);
    if (thread === undefined) return;
    this.#waiting.shift();
    this.#busy.set(thread, job);
    // It keeps the process alive only while somebody waits for it.
    thread.ref();
    thread.postMessage(job.order);
  }

  #start(): Worker {
    // The package has the same file compiled.
    const file = import.meta.url.endsWith(".ts") ? "./chunk-thread.ts" : "./chunk-thread.js";
    const thread = new Worker(new URL(file, import.meta.url));
    thread.on("message", (answer: ChunkAnswer) => {
      const job = this.#busy.get(thread);
      this.#busy.delete(thread);
      this.#idle.push(thread);
      thread.unref();
      if ("plain" in answer) job?.resolve(answer.plain);
      else job?.reject(new Fault(answer.fault.code, answer.fault));
      this.#next();
    });
    const over = (error: unknown) => {
      this.#busy.get(thread)?.reject(error);
      this.#busy.delete(thread);
      this.#next();
    };
    thread.on("error", over);
    thread.on("exit", () => over(closed()));
    return thread;
  }
}

function closed(): Error {
  return new Error("the threads that unpack chunks have ended");
}
