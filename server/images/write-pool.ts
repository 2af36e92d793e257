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
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Job>();
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

  /** What is still under way is rejected. */
  async close(): Promise<void> {
    const workers = [...this.#idle, ...this.#busy.keys()];
    this.#fail(new Error("The compression was ended."));
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const worker = this.#idle.pop() ?? (this.#busy.size < this.lanes ? this.#start() : undefined);
      if (worker === undefined) return;
      const job = this.#waiting.shift()!;
      this.#busy.set(worker, job);
      // A copy that is handed over: what `bytes` is a view of may be large and used elsewhere.
      const copy = new Uint8Array(job.bytes);
      worker.postMessage(copy, [copy.buffer]);
    }
  }

  #start(): Worker {
    // The package has the same file compiled.
    const file = import.meta.url.endsWith(".ts") ? "./write-worker.ts" : "./write-worker.js";
    const worker = new Worker(new URL(file, import.meta.url), { workerData: this.#codec });
    worker.on("message", (answer: CompressAnswer) => {
      const job = this.#busy.get(worker);
      this.#busy.delete(worker);
      this.#idle.push(worker);
      if (answer instanceof Uint8Array) job?.resolve(answer);
      else job?.reject(new Error(answer.problem));
      this.#dispatch();
    });
    worker.on("error", (error) => this.#fail(error as Error));
    worker.on("exit", () => this.#fail(new Error("A thread that compresses ended by itself.")));
    return worker;
  }

  #fail(error: Error): void {
    this.#broken ??= error;
    for (const { reject } of [...this.#busy.values(), ...this.#waiting.splice(0)]) reject(error);
    this.#busy.clear();
    this.#idle.length = 0;
  }
}
