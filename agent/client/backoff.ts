/** The waits between tries: 1, 2, 4 … seconds, never more than `mostMs`. */
export function backoffMs(tries: number, mostMs: number): number {
  return Math.min(mostMs, 1000 * 2 ** Math.min(tries, 20));
}

/** Time as an argument, so that tests need not wait. */
export type Clock = {
  /** Milliseconds that never run backwards. */
  now(): number;
  /** Resolves after `ms`, or at once when `signal` is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
};

/** The machine's own time. */
export const realClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal?.addEventListener("abort", end, { once: true });
    }),
};
