/** What a clock on the wall shows. */
export type LocalTime = {
  /** From 0 (Sunday). */
  readonly day: number;
  /** Of the day, from 0. */
  readonly minute: number;
};

const dayNames = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
/** Making one takes a hundred times as long as using it. */
const clocks = new Map<string, Intl.DateTimeFormat>();

/** What the clocks in a time zone show at a moment. */
export function localTime(timeZone: string, atMs: number): LocalTime {
  let clock = clocks.get(timeZone);
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat("en-US", {
      timeZone,
      weekday: "short",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
    clocks.set(timeZone, clock);
  }
  const parts = new Map(clock.formatToParts(atMs).map(({ type, value }) => [type, value]));
  return {
    day: dayNames.indexOf(parts.get("weekday") ?? ""),
    minute: Number(parts.get("hour")) * 60 + Number(parts.get("minute")),
  };
}

/** Whether there is a time zone of this name, like "Europe/Berlin". */
export function isTimeZone(name: string): boolean {
  // Offsets like "+01:00" know no summer.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The time zone of this machine. */
export function ownTimeZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}
