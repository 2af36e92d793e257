/** Numbers, sizes and times as people of a locale ("en-GB", "de") read them; times are milliseconds. */

const units = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** "27.4 GB", "512 B": three digits at most, powers of 1000 as disks are sold. */
export function formatBytes(bytes: number, locale: string): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${formatNumber(value, locale, digits)} ${units[unit]}`;
}

export function formatRate(bytesPerSecond: number, locale: string): string {
  return `${formatBytes(bytesPerSecond, locale)}/s`;
}

export function formatNumber(value: number, locale: string, digits = 0): string {
  return value.toLocaleString(locale, { minimumFractionDigits: 0, maximumFractionDigits: digits });
}

/** "58 %" of 58. */
export function formatPercent(percent: number, locale: string, digits = 0): string {
  return `${formatNumber(percent, locale, digits)} %`;
}

/** A share of 0 to 1: "0.4 %"; what is not nothing is never shown as nothing. */
export function formatShare(share: number, locale: string): string {
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return `< ${formatPercent(0.1, locale, 1)}`;
  return formatPercent(percent, locale, 1);
}

/** A length of time as a clock shows it: "0:48", "4:10", "1:02:03". */
export function formatClock(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

const spans = [
  {
    ms: 86_400_000,
    words: [
      ["day", "Tag"],
      ["days", "Tagen"],
    ],
  },
  {
    ms: 3_600_000,
    words: [
      ["hour", "Stunde"],
      ["hours", "Stunden"],
    ],
  },
  {
    ms: 60_000,
    words: [
      ["min", "min"],
      ["min", "min"],
    ],
  },
  {
    ms: 1000,
    words: [
      ["s", "s"],
      ["s", "s"],
    ],
  },
] as const;

/** A length of time in its largest unit: "12 s", "3 min", "9 days". */
export function formatSpan(ms: number, locale: string): string {
  const span = spans.find((one) => ms >= one.ms) ?? spans.at(-1)!;
  const n = Math.max(0, Math.floor(ms / span.ms));
  return `${n} ${span.words[n === 1 ? 0 : 1][isGerman(locale) ? 1 : 0]}`;
}

/** "just now", "3 min ago", "vor 9 Tagen". */
export function formatAgo(ms: number, locale: string): string {
  if (ms < 5000) return isGerman(locale) ? "gerade eben" : "just now";
  const span = formatSpan(ms, locale);
  return isGerman(locale) ? `vor ${span}` : `${span} ago`;
}

/** "14:03:09" today, with the date before it on another day. */
export function formatTime(atMs: number, nowMs: number, locale: string): string {
  const at = new Date(atMs);
  const time = at.toLocaleTimeString(locale, { hour12: false });
  return at.toDateString() === new Date(nowMs).toDateString() ? time : `${at.toLocaleDateString(locale)} ${time}`;
}

/** "22 November 2026, 14:03" */
export function formatDate(atMs: number, locale: string): string {
  return new Date(atMs).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short", hour12: false });
}

function isGerman(locale: string): boolean {
  return locale.startsWith("de");
}
