import { once } from "node:events";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { CompressAnswer, CompressCodec } from "./write-worker.ts";

type Job = {
  readonly bytes: Uint8Array;
  readonly resolve: (packed: Uint8Array) => void;
  readonly reject: (error: Error) => void;
};

/** Packs chunks on all cores, each in a thread of its own; threads begin when they are needed. */
export class CompressionPool {
  readonly lanes: number;
  readonly #codec: CompressCodec;
  readonly #waiting: Job[] = [];
  readonly #running = new Set<Worker>();
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Job>();
  /** Memory that came back from a thread: as much garbage as there is content would pile up faster than it is collected. */
  readonly #spare: ArrayBuffer[] = [];
  #broken: Error | undefined;

  constructor(codec: CompressCodec, lanes = availableParallelism()) {
    this.#codec = codec;
    this.lanes = lanes;
  }

  /** Packs a copy of `bytes`, which stay as they are. */
  compress(bytes: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) return reject(this.#broken);
      this.#waiting.push({ bytes, resolve, reject });
      this.#dispatch();
    });
  }

  /**
   * What is still under way is rejected. Resolves when all threads have ended,
   * each after the chunk that it packs: liblzma's binding brings the process
   * down when its thread is stopped.
   */
  async close(): Promise<void> {
    this.#fail(new Error("The compression was ended."));
    const ended = [...this.#running].map((worker) => once(worker, "exit"));
    for (const worker of this.#running) worker.postMessage(undefined);
    await Promise.all(ended);
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const worker = this.#idle.pop() ?? (this.#busy.size < this.lanes ? this.#start() : undefined);
      if (worker === undefined) return;
      const job = this.#waiting.shift()!;
      this.#busy.set(worker, job);
      // A copy that is handed over: what `bytes` is a view of may be large and used elsewhere.
      const copy = this.#copyOf(job.bytes);
      worker.postMessage(copy, [copy.buffer]);
    }
  }

  #copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const spare = this.#spare.pop();
    const isEnough = spare !== undefined && spare.byteLength >= bytes.length;
    const copy = new Uint8Array(isEnough ? spare : new ArrayBuffer(bytes.length), 0, bytes.length);
    copy.set(bytes);
    return copy;
  }

  #start(): Worker {
    // The package has the same file compiled.
    const file = import.meta.url.endsWith(".ts") ? "./write-worker.ts" : "./write-worker.js";
    const worker = new Worker(new URL(file, import.meta.url), { workerData: this.#codec });
    worker.on("message", (answer: CompressAnswer) => {
      const job = this.#busy.get(worker);
      this.#busy.delete(worker);
      this.#idle.push(worker);
      this.#spare.push(answer.spare);
      if ("packed" in answer) job?.resolve(answer.packed);
      else job?.reject(new Error(answer.problem));
      this.#dispatch();
    });
    worker.on("error", (error) => this.#fail(error as Error));
    worker.on("exit", () => {
      this.#running.delete(worker);
      this.#fail(new Error("A thread that compresses ended by itself."));
    });
    this.#running.add(worker);
    return worker;
  }

  #fail(error: Error): void {
    this.#broken ??= error;
    for (const { reject } of [...this.#busy.values(), ...this.#waiting.splice(0)]) reject(error);
    this.#busy.clear();
    this.#idle.length = 0;
  }
}
