import type { Clock } from "../../agent/client/backoff.ts";

/** A clock that jumps: sleeping ends at once, and the time is as if it had passed. */
export function fakeClock(): Clock & { readonly slept: number[] } {
  let nowMs = 0;
  const slept: number[] = [];
  return {
    slept,
    now: () => nowMs,
    sleep: async (ms, signal) => {
      if (signal?.aborted === true) return;
      slept.push(ms);
      nowMs += ms;
    },
  };
}
