/** Hosts of a stream that was started again come back within this time; those that ended before do not. */
const RETURN_MS = 3_000;

/** Who is there before a stream starts. Times in milliseconds. */
export type BeforeStart = {
  /** Hosts that can begin now. */
  readonly ready: number;
  /** Hosts that received already: from a sender that broke off. */
  readonly receiving: number;
  /** Since when the first one can; undefined: since now. */
  readonly firstReadyAt: number | undefined;
  /** The stream has started before, and was left by all. */
  readonly hasStreamed: boolean;
  /** It starts when so many are ready, or `maxWaitMs` after the first one is (0: never for that). */
  readonly waitFor: number;
  readonly maxWaitMs: number;
};

/** Why the stream is to start now, for people; undefined: it waits on. */
export function reasonToStart(before: BeforeStart, now: number): string | undefined {
  const { ready, receiving, firstReadyAt = now, hasStreamed, waitFor, maxWaitMs } = before;
  if (ready === 0) return undefined;
  if (ready >= waitFor) return `${ready} of ${waitFor} hosts are ready`;
  if (hasStreamed) return "a host wants it again";
  if (receiving > 0 && now >= firstReadyAt + RETURN_MS) return "hosts go on where they were when the stream broke off";
  if (maxWaitMs > 0 && now >= firstReadyAt + maxWaitMs) {
    return `${ready} of ${waitFor} hosts are ready and the longest wait is over`;
  }
  return undefined;
}
