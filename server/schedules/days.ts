import { Fault } from "../../fault.ts";

const names: readonly string[] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/**
 * Days of the week as people write them: "daily", "fri", "mon-fri", "sat,sun", "fri-mon".
 *
 * @returns numbers from 0 (Sunday), ascending
 * @throws {Fault} SCHEDULE_INVALID
 */
export function readDays(text: string): number[] {
  if (text === "daily") return [...names.keys()];
  const days = new Set<number>();
  for (const part of text.split(",")) {
    const [first, last = first, ...more] = part.split("-").map((name) => names.indexOf(name));
    if (first === undefined || last === undefined || first < 0 || last < 0 || more.length > 0) throw notDays(text);
    for (let day = first; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === last) break;
    }
  }
  return [...days].toSorted((one, other) => one - other);
}

/**
 * A time of the day: "22:00" is minute 1320; "24:00" is the day's end.
 *
 * @throws {Fault} SCHEDULE_INVALID
 */
export function readMinute(text: string): number {
  const [, hour, minute] = /^(\d{1,2}):(\d{2})$/.exec(text) ?? [];
  const value = Number(hour) * 60 + Number(minute);
  if (hour === undefined || Number(minute) > 59 || value > 24 * 60) {
    throw new Fault("SCHEDULE_INVALID", {
      what: `"${text}" is not a time of the day.`,
      why: "It has hours and minutes, from 00:00 to 24:00.",
      fix: 'Write it like "22:00".',
    });
  }
  return value;
}

function notDays(text: string): Fault {
  return new Fault("SCHEDULE_INVALID", {
    what: `"${text}" are no days of the week.`,
    why: `There are ${names.slice(1).join(", ")}, sun, and daily for all of them.`,
    fix: 'Write them like "fri", "mon-fri" or "sat,sun".',
  });
}
