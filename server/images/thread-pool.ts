import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Fault } from "../../fault.ts";
import type { Job, JobKind, Jobs, ThreadAnswer } from "./thread-jobs.ts";

type Waiting = {
  readonly job: Job;
  /** Who asked: `giveUp` takes back what it asked for. */
  readonly owner: object;
  readonly resolve: (result: Jobs[JobKind]["result"]) => void;
  readonly reject: (error: unknown) => void;
};

/** Threads that do jobs in the order in which they were asked for; each begins when it is needed. */
export class ThreadPool {
  readonly #most: number;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Waiting>();
  #waiting: Waiting[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** @throws what the job throws, as a Fault where it is one */
  run<Kind extends JobKind>(kind: Kind, given: Jobs[Kind]["given"], owner: object): Promise<Jobs[Kind]["result"]> {
    return new Promise((resolve, reject) => {
      const job = { kind, given } as Job;
      this.#waiting.push({ job, owner, resolve: resolve as Waiting["resolve"], reject });
      this.#next();
    });
  }

  /** Rejects those of an owner's jobs that have not begun. The others go on: the memory that they read must not change. */
  giveUp(owner: object, error: Error): void {
    const theirs = this.#waiting.filter((waiting) => waiting.owner === owner);
    this.#waiting = this.#waiting.filter((waiting) => waiting.owner !== owner);
    for (const { reject } of theirs) reject(error);
  }

  /**
   * Resolves when all threads have ended, each after the job that it does:
   * liblzma's binding brings the process down when its thread is stopped.
   */
  async close(): Promise<void> {
    const threads = [...this.#idle.splice(0), ...this.#busy.keys()];
    const ended = threads.map((thread) => once(thread, "exit"));
    for (const thread of threads) {
      thread.ref();
      // Nothing stands for the end.
      thread.postMessage(undefined);
    }
    await Promise.all(ended);
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#idle.pop() ?? (this.#busy.size < this.#most ? this.#start() : undefined);
      if (thread === undefined) return;
      const waiting = this.#waiting.shift()!;
      this.#busy.set(thread, waiting);
      // It keeps the process alive only while somebody waits for it.
      thread.ref();
      thread.postMessage(waiting.job);
    }
  }

  #start(): Worker {
    // The package has the same file compiled.
    const file = import.meta.url.endsWith(".ts") ? "./image-thread.ts" : "./image-thread.js";
    const thread = new Worker(new URL(file, import.meta.url));
    thread.on("message", (answer: ThreadAnswer) => {
      const done = this.#busy.get(thread);
      this.#busy.delete(thread);
      this.#idle.push(thread);
      thread.unref();
      if ("result" in answer) done?.resolve(answer.result);
      else if ("fault" in answer) done?.reject(new Fault(answer.fault.code, answer.fault));
      else done?.reject(new Error(answer.problem));
      this.#next();
    });
    const over = (error: unknown) => {
      const at = this.#idle.indexOf(thread);
      if (at >= 0) this.#idle.splice(at, 1);
      this.#busy.get(thread)?.reject(error);
      this.#busy.delete(thread);
      this.#next();
    };
    thread.on("error", over);
    thread.on("exit", () => over(new Error("A thread that works on images ended by itself.")));
    return thread;
  }
}
