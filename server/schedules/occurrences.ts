import { Cron } from "croner";
import { Fault } from "../../fault.ts";
import { isTimeZone } from "./local-time.ts";
import { firstMoment, readQuietHours } from "./quiet-hours.ts";

/** When something takes place, again and again. */
export type Timing = {
  /** Five fields: minute, hour, day of the month, month, day of the week. */
  readonly cron: string;
  /** Like "Europe/Berlin". */
  readonly timeZone: string;
  /** How long after its time a host may still begin. */
  readonly windowMs: number;
  /** So long before its time the order is given and the hosts are woken. */
  readonly wakeBeforeMs: number;
  /** As `readQuietHours` reads them. */
  readonly quietHours: readonly string[];
};

/** One time that it is to take place. */
export type Occurrence = {
  /** As the cron rule says. */
  readonly dueAtMs: number;
  /** When the order is given. */
  readonly opensAtMs: number;
  /** Hosts that have not begun by then are left alone. */
  readonly endsAtMs: number;
  /** Why it does not take place; absent: it does. */
  readonly refused?: string;
};

/** More often is a mistake: a room that is restored all day. */
const LEAST_BETWEEN_MS = 10 * 60_000;
const LOOKED_AT = 50;

/** @throws {Fault} SCHEDULE_INVALID */
export function checkTiming(timing: Timing, nowMs: number): void {
  if (!isTimeZone(timing.timeZone)) {
    throw invalid(`There is no time zone "${timing.timeZone}".`, 'Name it like "Europe/Berlin".');
  }
  for (const text of timing.quietHours) readQuietHours(text);
  const runs = dueTimes(timing, nowMs, LOOKED_AT);
  if (runs.length === 0) throw invalid(`The rule "${timing.cron}" never comes true.`, "Give a day that there is.");
  const gaps = runs.slice(1).map((due, at) => due - runs[at]!);
  if (gaps.some((gap) => gap < LEAST_BETWEEN_MS)) {
    throw invalid(
      `The rule "${timing.cron}" comes true more often than every 10 minutes.`,
      "Choose one that does not.",
    );
  }
}

/**
 * The times after `afterMs`, at most `count`.
 *
 * A time that the clocks leave out in spring is taken at the first moment behind the gap; one that they show twice in
 * autumn is taken once, the first time.
 *
 * @throws {Fault} SCHEDULE_INVALID
 */
export function dueTimes({ cron, timeZone }: Timing, afterMs: number, count: number): number[] {
  return read(cron, timeZone)
    .nextRuns(count, new Date(afterMs))
    .map((date) => date.getTime());
}

/** The last time before `beforeMs`. */
export function lastDueTime({ cron, timeZone }: Timing, beforeMs: number): number | undefined {
  return read(cron, timeZone).previousRuns(1, new Date(beforeMs)).at(0)?.getTime();
}

/** When exactly: with the wake-up before, and without the quiet hours. */
export function occurrenceAt(timing: Timing, dueAtMs: number): Occurrence {
  const { timeZone } = timing;
  const quiet = timing.quietHours.map(readQuietHours);
  const endMs = dueAtMs + timing.windowMs;
  const opensAtMs = firstMoment(quiet, timeZone, {
    isQuiet: false,
    fromMs: dueAtMs - timing.wakeBeforeMs,
    untilMs: endMs,
  });
  if (opensAtMs === undefined) {
    const refused = `It is quiet from its time until its end (${timing.quietHours.join(", ")}).`;
    return { dueAtMs, opensAtMs: dueAtMs - timing.wakeBeforeMs, endsAtMs: endMs, refused };
  }
  const quietAtMs = firstMoment(quiet, timeZone, { isQuiet: true, fromMs: opensAtMs, untilMs: endMs });
  return { dueAtMs, opensAtMs, endsAtMs: quietAtMs ?? endMs };
}

/** @throws {Fault} SCHEDULE_INVALID */
function read(cron: string, timeZone: string): Cron {
  // Croner also reads dates, seconds and years, which we do not mean.
  if (cron.trim().split(/\s+/).length !== 5) {
    throw invalid(`"${cron}" has not five fields.`, fiveFields);
  }
  try {
    return new Cron(cron, { timezone: timeZone, paused: true });
  } catch (error) {
    throw invalid(`"${cron}" is not a cron rule: ${(error as Error).message.replace(/\.$/, "")}.`, fiveFields);
  }
}

const fiveFields =
  'It has five: minute, hour, day of the month, month, day of the week. "0 22 * * 5" is every Friday at 22:00.';

function invalid(why: string, fix: string): Fault {
  return new Fault("SCHEDULE_INVALID", { what: "This schedule cannot be made.", why, fix });
}
