import { Fault } from "../../fault.ts";
import { readDays, readMinute } from "./days.ts";

/**
 * A time of the week as people say it, as a cron rule: "fri 22:00" is "0 22 * * 5", "03:00" is "0 3 * * *".
 *
 * @throws {Fault} SCHEDULE_INVALID
 */
export function cronOf(text: string): string {
  const words = text.trim().toLowerCase().split(/\s+/);
  const time = words.pop() ?? "";
  if (words.length > 1) throw notWhen(text);
  const minute = readMinute(time);
  if (minute === 24 * 60) throw notWhen(text);
  const days = readDays(words[0] ?? "daily");
  return `${minute % 60} ${Math.floor(minute / 60)} * * ${days.length === 7 ? "*" : days.join(",")}`;
}

function notWhen(text: string): Fault {
  return new Fault("SCHEDULE_INVALID", {
    what: `"${text}" does not say when.`,
    why: "It has the days of the week, if it is not for every day, and one time of the day before 24:00.",
    fix: 'Write it like "fri 22:00", "mon-fri 03:00" or "03:00"; or give a cron rule.',
  });
}
