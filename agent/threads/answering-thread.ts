import type { Worker } from "node:worker_threads";
import { Fault } from "../../fault.ts";

type Asked<Answer> = { readonly resolve: (answer: Answer) => void; readonly reject: (error: unknown) => void };

/** What is said of a thread that ended: a code, and what it was for. */
export type ThreadEnd = { readonly code: string; readonly what: string };

/** A thread that answers every question in the order that it was asked in. Nobody waits for one that ended. */
export class AnsweringThread<Question, Answer> {
  readonly #worker: Worker;
  readonly #asked: Asked<Answer>[] = [];
  #ended: Fault | undefined;

  constructor(worker: Worker, end: ThreadEnd) {
    this.#worker = worker;
    worker.on("message", (answer: Answer) => this.#asked.shift()?.resolve(answer));
    let cause: unknown;
    worker.on("error", (error) => {
      cause = error;
    });
    worker.on("exit", () => {
      const ended = endedFault(end, cause);
      this.#ended = ended;
      for (const { reject } of this.#asked.splice(0)) reject(ended);
    });
  }

  /** Why it answers no more. */
  get ended(): Fault | undefined {
    return this.#ended;
  }

  /** How many questions it has not answered. */
  get waiting(): number {
    return this.#asked.length;
  }

  /** @throws {Fault} the end's code, when the system ends it or it was closed */
  ask(question: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      this.#asked.push({ resolve, reject });
      this.#worker.postMessage(question);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

function endedFault({ code, what }: ThreadEnd, cause: unknown): Fault {
  return new Fault(
    code,
    {
      what,
      why: cause instanceof Error ? cause.message : "It gave no reason; the system may be out of memory.",
      fix: "Start the restore again; if it repeats, the machine needs more memory.",
    },
    cause,
  );
}
