import { dueTimes, lastDueTime, type Occurrence, occurrenceAt, type Timing } from "./occurrences.ts";

/** What becomes of a time that has come. */
export type Decision =
  | { readonly kind: "run"; readonly occurrence: Occurrence; readonly lateMs: number }
  /** Nothing is ordered, and people are told. */
  | {
      readonly kind: "skipped" | "missed";
      readonly occurrence: Occurrence;
      readonly count: number;
      readonly why: string;
    };

export type Verdict = {
  readonly decisions: readonly Decision[];
  /** No time up to here is looked at again. */
  readonly handledUntilMs: number;
};

export type Standing = {
  readonly timing: Timing;
  /** Times up to here have been decided on. */
  readonly handledUntilMs: number;
  /** What becomes of one that came while nobody looked: it runs late while its window is open, or not at all. */
  readonly missed: "run" | "skip";
  /** Whether an earlier run is not over. */
  readonly isRunning: boolean;
};

/** The server looks every few seconds; so late is on time. */
export const ON_TIME_MS = 2 * 60_000;
/** With less than this left of its window a late one is not worth beginning. */
const LEAST_LEFT_MS = 5 * 60_000;
const MOST_COUNTED = 100;

/** What is to be done now for a schedule; undefined: nothing. */
export function decide({ timing, handledUntilMs, missed, isRunning }: Standing, nowMs: number): Verdict | undefined {
  // The times that may be open by now; of very many the first, and the last, which alone can still take place.
  const horizonMs = nowMs + timing.wakeBeforeMs;
  const times = timesUntil(timing, handledUntilMs, horizonMs);
  const open: Occurrence[] = [];
  const decisions: Decision[] = [];
  let handled = handledUntilMs;
  for (const dueAtMs of times) {
    const occurrence = occurrenceAt(timing, dueAtMs);
    // Quiet hours may have put it off; those behind it wait as well.
    if (occurrence.opensAtMs > nowMs) break;
    handled = dueAtMs;
    if (occurrence.refused === undefined) open.push(occurrence);
    else decisions.push({ kind: "skipped", occurrence, count: 1, why: occurrence.refused });
  }
  if (handled === handledUntilMs) return undefined;
  const newest = open.pop();
  const first = open[0];
  if (first !== undefined) {
    const count = open.length;
    decisions.push({ kind: "missed", occurrence: first, count, why: "The server was not running, or had no time." });
  }
  if (newest !== undefined) decisions.push(judge(newest, { nowMs, missed, isRunning, windowMs: timing.windowMs }));
  return { decisions, handledUntilMs: handled };
}

function timesUntil(timing: Timing, afterMs: number, untilMs: number): number[] {
  const times: number[] = [];
  for (let atMs = afterMs; times.length < MOST_COUNTED; ) {
    const [next] = dueTimes(timing, atMs, 1);
    if (next === undefined || next > untilMs) return times;
    times.push(next);
    atMs = next;
  }
  const last = lastDueTime(timing, untilMs + 1);
  if (last !== undefined && last > times.at(-1)!) times.push(last);
  return times;
}

function judge(
  occurrence: Occurrence,
  about: {
    readonly nowMs: number;
    readonly missed: "run" | "skip";
    readonly isRunning: boolean;
    readonly windowMs: number;
  },
): Decision {
  const { nowMs, missed, isRunning, windowMs } = about;
  const lateMs = nowMs - occurrence.opensAtMs;
  const leave = (kind: "skipped" | "missed", why: string) => ({ kind, occurrence, count: 1, why }) as const;
  const isLate = lateMs > ON_TIME_MS;
  if (isLate && missed === "skip") return leave("missed", "The server was not running when its time came.");
  const leastLeftMs = isLate ? Math.min(LEAST_LEFT_MS, windowMs / 2) : 0;
  if (nowMs >= occurrence.endsAtMs - leastLeftMs) {
    return leave("missed", "The server was not running before its window was over.");
  }
  if (isRunning) return leave("skipped", "The run before it is not over.");
  return { kind: "run", occurrence, lateMs: isLate ? lateMs : 0 };
}
