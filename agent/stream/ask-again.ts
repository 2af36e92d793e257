import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../../fault.ts";
import { limits } from "../limits.ts";

const ASK_AGAIN_MS = 1_000;

export type Patience = {
  /** Codes of the faults that go by themselves; every other one ends it at once. */
  readonly goesByItself: ReadonlySet<string>;
  /** For how long it asks again, in milliseconds. */
  readonly patienceMs: number;
  /** Why it does not get on, once for each wait; "" when it does again. */
  readonly onWait: (reason: string) => void;
  /** What is thrown when `patienceMs` is over. */
  readonly giveUp: (last: Fault, patienceMs: number) => Fault;
  readonly signal: AbortSignal;
};

/** Asks every second until there is an answer, while what stands in its way is something that goes by itself. */
export async function askAgain<Answer>(
  ask: () => Promise<Answer>,
  { goesByItself, patienceMs, onWait, giveUp, signal }: Patience,
): Promise<Answer> {
  const until = performance.now() + patienceMs;
  for (let isWaiting = false; ; isWaiting = true) {
    try {
      const answer = await ask();
      if (isWaiting) onWait("");
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Fault) || !goesByItself.has(error.code)) throw error;
      if (performance.now() >= until) throw giveUp(error, patienceMs);
      if (!isWaiting) onWait(error.what);
      await sleep(ASK_AGAIN_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** A stream goes on at another server, or will as soon as one has noticed that its own is gone. */
export const STREAM_ELSEWHERE = "STREAM_ELSEWHERE";

const unreachable: ReadonlySet<string> = new Set(["SERVER_UNREACHABLE", STREAM_ELSEWHERE]);

/**
 * Asks a server that may be starting again, for two minutes.
 *
 * @param options.onWait why it does not get on, once for each wait; "" when it does again
 */
export function untilServerAnswers<Answer>(
  ask: () => Promise<Answer>,
  options: { readonly onWait: (reason: string) => void; readonly signal?: AbortSignal | undefined },
): Promise<Answer> {
  const { onWait, signal = new AbortController().signal } = options;
  const giveUp = (last: Fault) => last;
  return askAgain(ask, { goesByItself: unreachable, patienceMs: limits.lostServerMs, onWait, giveUp, signal });
}
