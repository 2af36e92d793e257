const FIRST_MS = 10_000;
const MOST_MS = 3_600_000;

/** How often a message is sent that a receiver understands and does not want. */
export const MOST_REFUSALS = 5;
/** What could not be told for so long is not told any more. */
export const GIVE_UP_AFTER_MS = 24 * 3_600_000;

/**
 * How long a target is left alone after so many failures in a row: 10 s, 30 s, 90 s, … an hour; up to a tenth more by
 * chance, so that many do not come at the same moment.
 *
 * @param chance from 0 to 1
 */
export function pauseMs(failures: number, chance: number): number {
  return Math.round(Math.min(MOST_MS, FIRST_MS * 3 ** (failures - 1)) * (1 + chance / 10));
}

/** What a receiver asked for with `retry-after`: seconds or a date; bounded, because it is a stranger's word. */
export function askedPauseMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const isDate = /^[A-Z][a-z]{2}, \d\d /.test(header);
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : isDate ? Date.parse(header) - nowMs : 0;
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, MOST_MS) : undefined;
}
