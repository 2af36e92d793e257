/** Cron lines as people say them, and back: "every day at 22:00". */

export type Days = "daily" | "workdays" | "weekend" | "own";

const dayFields: Readonly<Record<Exclude<Days, "own">, string>> = { daily: "*", workdays: "1-5", weekend: "6,0" };

/** @param time "22:00" */
export function cronOf(days: Exclude<Days, "own">, time: string): string {
  const [hour = "0", minute = "0"] = time.split(":");
  return `${Number(minute)} ${Number(hour)} * * ${dayFields[days]}`;
}

/** What a cron line says, when it is one of those; undefined: it is shown as it is. */
export function daysOf(cron: string): { readonly days: Exclude<Days, "own">; readonly time: string } | undefined {
  const [, minute, hour, weekdays] = /^(\d{1,2}) (\d{1,2}) \* \* (\S+)$/.exec(cron.trim()) ?? [];
  if (minute === undefined || hour === undefined) return undefined;
  const names = Object.keys(dayFields) as Exclude<Days, "own">[];
  const days = names.find((name) => dayFields[name] === weekdays);
  if (days === undefined) return undefined;
  return { days, time: `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}` };
}

export type Due = { readonly name: string; readonly dueAtMs: number; readonly isRefused: boolean };

/** What is due in each of the seven days that begin with `nowMs`, by the clock of this browser. */
export function weekOf(due: readonly Due[], nowMs: number): { readonly atMs: number; readonly due: Due[] }[] {
  const today = new Date(nowMs);
  return Array.from({ length: 7 }, (_, day) => {
    const from = new Date(today.getFullYear(), today.getMonth(), today.getDate() + day).getTime();
    const to = new Date(today.getFullYear(), today.getMonth(), today.getDate() + day + 1).getTime();
    const own = due.filter(({ dueAtMs }) => dueAtMs >= from && dueAtMs < to);
    return { atMs: from, due: own.toSorted((one, other) => one.dueAtMs - other.dueAtMs) };
  });
}
