import { Fault } from "../../fault.ts";

const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
const DAY_MS = 86_400_000;
const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: DAY_MS };

type Clock = {
  readonly nowMs: number;
  /** "Europe/Berlin". */
  readonly timeZone: string;
};

/** A day and a time of day, without a place on earth. */
type Local = { readonly year: number; readonly month: number; readonly day: number; readonly minutes: number };

/**
 * Reads a time as people write it: "22:00", "fri 22:00", "tomorrow 7:30", "2026-11-27 22:00", "+90m". A time of day is
 * the next one; one that there are two of, when the clocks are set back, is the first.
 *
 * @returns milliseconds UTC
 * @throws {Fault} USAGE
 */
export function parseWhen(text: string, clock: Clock): number {
  const words = text.trim().toLowerCase();
  const [, number = "", unit = ""] = /^(?:\+|in )\s*(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(words) ?? [];
  const each = unitMs[unit];
  if (each !== undefined) return clock.nowMs + Math.round(Number(number) * each);
  // With its place on earth nothing is left to find out.
  if (/^\d{4}-\d\d-\d\dt\d\d:\d\d(:\d\d)?(z|[+-]\d\d:\d\d)$/.test(words)) {
    const atMs = Date.parse(text.trim());
    if (!Number.isNaN(atMs)) return atMs;
  }
  const [, dayWord = "", hour = "", minute = ""] = /^(?:(\S+?)(?:\s+|t))?(\d{1,2}):(\d\d)$/.exec(words) ?? [];
  if (hour === "" || Number(hour) > 23 || Number(minute) > 59) throw notUnderstood(text);
  const minutes = Number(hour) * 60 + Number(minute);
  const today = localOf(clock.nowMs, clock.timeZone);
  if (dayWord === "") {
    const atMs = instantOf({ ...today, minutes }, clock.timeZone, text);
    return atMs > clock.nowMs ? atMs : instantOf({ ...later(today, 1), minutes }, clock.timeZone, text);
  }
  const date = dateOf(dayWord, today, minutes);
  if (date === undefined) throw notUnderstood(text);
  const atMs = instantOf({ ...date, minutes }, clock.timeZone, text);
  if (atMs > clock.nowMs) return atMs;
  throw new Fault("USAGE", {
    what: `"${text}" is over.`,
    why: `In ${clock.timeZone} it is ${whenText(clock.nowMs, clock.timeZone)} now.`,
    fix: "Give a time that comes.",
  });
}

/** "Fri 2026-11-27 22:00 Europe/Berlin". */
export function whenText(atMs: number, timeZone: string): string {
  const { year, month, day, minutes } = localOf(atMs, timeZone);
  const name = days[weekdayOf({ year, month, day })]!;
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${year}-${two(month)}-${two(day)}`;
  return `${name[0]!.toUpperCase()}${name.slice(1)} ${date} ${two(Math.floor(minutes / 60))}:${two(minutes % 60)} ${timeZone}`;
}

/** The time zone with this name, or that of this machine. @throws {Fault} USAGE */
export function timeZoneOf(name: string | undefined): string {
  const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (name === undefined) return own;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone;
  } catch (error) {
    throw new Fault(
      "USAGE",
      {
        what: `There is no time zone "${name}".`,
        why: "It is not in the list of time zones.",
        fix: `Write it like "Europe/Berlin" or "UTC"; without it the zone of this machine counts (${own}).`,
      },
      error,
    );
  }
}

function dateOf(word: string, today: Local, minutes: number): Omit<Local, "minutes"> | undefined {
  if (word === "today") return today;
  if (word === "tomorrow") return later(today, 1);
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(word) ?? [];
  if (year !== undefined) {
    const date = { year: Number(year), month: Number(month), day: Number(day) };
    const isReal = later(date, 0).month === date.month && date.month >= 1 && later(date, 0).day === date.day;
    return isReal ? date : undefined;
  }
  const weekday = days.findIndex((name) => word === name || (word.length > 3 && fullName(name).startsWith(word)));
  if (weekday < 0) return undefined;
  const ahead = (weekday - weekdayOf(today) + 7) % 7;
  // "fri 22:00" on a Friday at 23:00 is next week's.
  return later(today, ahead === 0 && minutes <= today.minutes ? 7 : ahead);
}

function fullName(day: (typeof days)[number]): string {
  const rest = { sun: "day", mon: "day", tue: "sday", wed: "nesday", thu: "rsday", fri: "day", sat: "urday" };
  return day + rest[day];
}

function later(date: Omit<Local, "minutes">, by: number): Omit<Local, "minutes"> {
  const at = new Date(Date.UTC(date.year, date.month - 1, date.day + by));
  return { year: at.getUTCFullYear(), month: at.getUTCMonth() + 1, day: at.getUTCDate() };
}

function weekdayOf({ year, month, day }: Omit<Local, "minutes">): number {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDay();
}

/** When the clocks of the zone show this. */
function instantOf(local: Local, timeZone: string, text: string): number {
  const shownMs = Date.UTC(local.year, local.month - 1, local.day, 0, local.minutes);
  const offsets = [shownMs - DAY_MS, shownMs + DAY_MS].map((atMs) => offsetMs(atMs, timeZone));
  const fitting = offsets
    .map((offset) => shownMs - offset)
    .filter((atMs) => atMs + offsetMs(atMs, timeZone) === shownMs);
  if (fitting.length > 0) return Math.min(...fitting);
  throw new Fault("USAGE", {
    what: `There is no "${text}" in ${timeZone}.`,
    why: "The clocks are set forward that night, and leave it out.",
    fix: "Give a time an hour earlier or later.",
  });
}

function offsetMs(atMs: number, timeZone: string): number {
  const { year, month, day, minutes } = localOf(atMs, timeZone);
  return Date.UTC(year, month - 1, day, 0, minutes) - Math.floor(atMs / 60_000) * 60_000;
}

function localOf(atMs: number, timeZone: string): Local {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    hourCycle: "h23",
    calendar: "gregory",
  });
  const parts = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0 } = parts as Record<string, number>;
  return { year, month, day, minutes: hour * 60 + minute };
}

function notUnderstood(text: string): Fault {
  return new Fault("USAGE", {
    what: `"${text}" is not a time.`,
    why: "It is read as a day and a time of day, or as a while from now.",
    fix: 'Write it like "22:00", "fri 22:00", "2026-11-27 22:00", or "+90m".',
  });
}
