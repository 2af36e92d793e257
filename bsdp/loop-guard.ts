/** What a machine that comes back for the same loader gets: the loader, the script instead, or nothing. */
export type LoopVerdict = "loader" | "script" | "stop";

/** What is remembered of one machine. */
export type LoopState = {
  readonly loader: string;
  /** Exchange number and time of each boot attempt, oldest first. */
  readonly attempts: readonly { readonly xid: number; readonly atMs: number }[];
  readonly stoppedUntilMs: number;
};

const WINDOW_MS = 60_000;
const STOP_MS = 300_000;
/** This often the loader is given within the window, and then this often the script. */
const TRIES = 3;

/**
 * Counts one boot attempt. Packets of the same exchange are one attempt:
 * firmware repeats its DISCOVER several times a minute.
 */
export function countAttempt(
  state: LoopState | undefined,
  attempt: { readonly loader: string; readonly xid: number; readonly atMs: number },
): LoopState {
  const { loader, xid, atMs } = attempt;
  if (state === undefined || state.loader !== loader) {
    return { loader, attempts: [{ xid, atMs }], stoppedUntilMs: 0 };
  }
  if (atMs < state.stoppedUntilMs) return state;
  const recent = state.attempts.filter((one) => one.atMs > atMs - WINDOW_MS);
  const attempts = recent.some((one) => one.xid === xid) ? recent : [...recent, { xid, atMs }];
  // After the pause everything starts from nothing.
  if (attempts.length > 2 * TRIES) return { loader, attempts: [], stoppedUntilMs: atMs + STOP_MS };
  return { loader, attempts, stoppedUntilMs: 0 };
}

/** What to give now. */
export function loopVerdict(state: LoopState | undefined, nowMs: number): LoopVerdict {
  if (state === undefined) return "loader";
  if (nowMs < state.stoppedUntilMs) return "stop";
  const recent = state.attempts.filter((one) => one.atMs > nowMs - WINDOW_MS);
  return recent.length > TRIES ? "script" : "loader";
}

/** True when nothing of it matters any more, so that it can be forgotten. */
export function isForgettable(state: LoopState, nowMs: number): boolean {
  return nowMs >= state.stoppedUntilMs && state.attempts.every((one) => one.atMs <= nowMs - WINDOW_MS);
}
