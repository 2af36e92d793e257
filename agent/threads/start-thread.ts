import { type ResourceLimits, Worker } from "node:worker_threads";
import type { Logger } from "pino";
import { AnsweringThread, type ThreadEnd } from "./answering-thread.ts";

/**
 * Starts a thread of this program, and waits until it has said its first word.
 *
 * @param program where its file is; in the boot image its text
 * @param start what it finds as `workerData`
 * @param work what it would do, for the log: "to unpack in"
 * @param end what is said to those who asked it when it ends
 * @returns undefined where no thread can be started: the work is to be done without
 */
export async function startThread<Question, Answer>(
  program: URL | string,
  start: object,
  limits: ResourceLimits,
  { log, work, end }: { readonly log: Logger; readonly work: string; readonly end: ThreadEnd },
): Promise<AnsweringThread<Question, Answer> | undefined> {
  let worker: Worker;
  try {
    const isText = typeof program === "string";
    worker = new Worker(program, { workerData: start, eval: isText, resourceLimits: limits });
  } catch (error) {
    log.warn({ err: error }, `no thread ${work}`);
    return undefined;
  }
  const why = await new Promise<unknown>((resolve) => {
    worker.once("message", () => resolve(undefined));
    worker.once("error", resolve);
    worker.once("exit", () => resolve(new Error("it ended")));
  });
  if (why === undefined) return new AnsweringThread(worker, end);
  log.warn({ err: why }, `no thread ${work}`);
  return undefined;
}
