import { Fault } from "../../fault.ts";
import { readDays, readMinute } from "./days.ts";
import { type LocalTime, localTime } from "./local-time.ts";

/** Hours in which nothing begins. */
export type QuietHours = {
  /** The days on which they begin, from 0 (Sunday). */
  readonly days: readonly number[];
  /** Of the day. Not after `fromMinute`: it is the next day's. */
  readonly fromMinute: number;
  readonly toMinute: number;
};

const DAY_MINUTES = 24 * 60;
/** Clocks are changed at full quarters of an hour, everywhere. */
const QUARTER_MINUTES = 15;

/**
 * "mon-fri 08:00-16:00", "daily 22:00-06:00".
 *
 * @throws {Fault} SCHEDULE_INVALID
 */
export function readQuietHours(text: string): QuietHours {
  const [days, hours, ...more] = text.trim().toLowerCase().split(/\s+/);
  const [from, to, ...others] = hours?.split("-") ?? [];
  if (days === undefined || from === undefined || to === undefined || more.length + others.length > 0) {
    throw new Fault("SCHEDULE_INVALID", {
      what: `"${text}" are no quiet hours.`,
      why: "They have days of the week, a space, and two times with a hyphen between.",
      fix: 'Write them like "mon-fri 08:00-16:00" or "daily 22:00-06:00".',
    });
  }
  return { days: readDays(days), fromMinute: readMinute(from) % DAY_MINUTES, toMinute: readMinute(to) };
}

/** The first moment from `fromMs` on that is quiet, or is not; undefined: none before `untilMs`. */
export function firstMoment(
  rules: readonly QuietHours[],
  timeZone: string,
  wanted: { readonly isQuiet: boolean; readonly fromMs: number; readonly untilMs: number },
): number | undefined {
  const edges = rules.flatMap(({ fromMinute, toMinute }) => [fromMinute, toMinute % DAY_MINUTES]);
  for (let atMs = wanted.fromMs; atMs < wanted.untilMs; ) {
    const now = localTime(timeZone, atMs);
    if (rules.some((rule) => isIn(rule, now)) === wanted.isQuiet) return atMs;
    const quarter = QUARTER_MINUTES - (now.minute % QUARTER_MINUTES);
    const steps = edges.map((edge) => edge - now.minute).filter((step) => step > 0);
    const minuteMs = 60_000;
    atMs = (Math.floor(atMs / minuteMs) + Math.min(quarter, ...steps)) * minuteMs;
  }
  return undefined;
}

function isIn({ days, fromMinute, toMinute }: QuietHours, { day, minute }: LocalTime): boolean {
  if (fromMinute < toMinute) return days.includes(day) && minute >= fromMinute && minute < toMinute;
  if (minute >= fromMinute) return days.includes(day);
  return days.includes((day + 6) % 7) && minute < toMinute;
}
