import { formatDuration } from "../../agent/disk/sizes.ts";
import type { OccurrenceBody, ScheduleBody } from "../../server/api/schedule-schemas.ts";
import { table } from "../terminal/table.ts";

/** A moment as the clocks there show it: "Fri 2026-11-27 22:00". */
export function timeText(atMs: number, timeZone: string): string {
  const parts = new Map(
    new Intl.DateTimeFormat("en-US", {
      ...(timeZone === "" ? {} : { timeZone }),
      weekday: "short",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    })
      .formatToParts(atMs)
      .map(({ type, value }) => [type, value]),
  );
  const of = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? "";
  return `${of("weekday")} ${of("year")}-${of("month")}-${of("day")} ${of("hour")}:${of("minute")}`;
}

/** Its time, when it begins, until when, and what stands out. */
export function occurrenceRow(occurrence: OccurrenceBody & { readonly timeZone: string }): string[] {
  const { dueAtMs, opensAtMs, endsAtMs, refused, timeZone } = occurrence;
  const clock = (atMs: number) => timeText(atMs, timeZone).slice(-5);
  return [timeText(dueAtMs, timeZone), clock(opensAtMs), clock(endsAtMs), refused ?? ""];
}

export function occurrenceTable(next: readonly OccurrenceBody[], timeZone: string): string {
  const rows = next.map((occurrence) => occurrenceRow({ ...occurrence, timeZone }));
  return table([["TIME", "BEGINS", "UNTIL", ""], ...rows]);
}

/** All about one schedule. */
export function scheduleText(schedule: ScheduleBody): string {
  const { deploy, timeZone } = schedule;
  const image =
    deploy.imageVersion === undefined ? `${deploy.image}, the newest` : `${deploy.image}:${deploy.imageVersion}`;
  const to = typeof deploy.to === "string" ? deploy.to : deploy.to.join(", ");
  const facts = [
    ["Name", schedule.name],
    ["Image", image],
    ["Hosts", to],
    ["Erased", deploy.erase ?? "none"],
    ["Rule", `${schedule.cron} (${timeZone})`],
    ["Window", formatDuration(schedule.windowMs)],
    ["Wakes", schedule.isWaking ? wakeText(schedule.wakeBeforeMs) : "no"],
    ...(schedule.quietHours.length === 0 ? [] : [["Quiet", schedule.quietHours.join(", ")]]),
    ["Missed", schedule.missed === "run" ? "run late while the window is open" : "skipped"],
    ["Used", schedule.skipsUsed ? "hosts whose own system runs are left alone" : "whatever runs there"],
    ["Made by", schedule.madeBy],
  ];
  const next = schedule.isPaused ? ["It is paused."] : ["Next:", occurrenceTable(schedule.next, timeZone)];
  const runs = schedule.runs.map((run) => [
    timeText(run.dueAtMs, timeZone),
    run.state,
    run.deployId === null ? "-" : `session ${run.deployId}`,
    run.why,
  ]);
  const last = runs.length === 0 ? [] : ["Last:", table(runs)];
  return [table(facts), ...next, ...last].join("\n");
}

function wakeText(beforeMs: number): string {
  return beforeMs === 0 ? "yes" : `yes, ${formatDuration(beforeMs)} before`;
}
