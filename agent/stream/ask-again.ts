import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../../fault.ts";

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
