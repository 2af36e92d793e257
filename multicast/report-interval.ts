import type { RateMode } from "./rate-control.ts";

/** The server hears at most so many reports a second, whatever the number of receivers. */
const MOST_A_SECOND = 100;
/** Where the rate goes by the reports: 16 a second from a few receivers, and each once a second from more. */
const LEAST_MS = 200;
const FEW_MS_A_HOST = 60;
const MANY_MS = 1_000;
/** Where nothing waits for them they cost more than they tell: answers are bytes of the same wire. */
const FIXED_LEAST_MS = 1_000;
const FIXED_MS_A_HOST = 150;
const FIXED_MANY_MS = 3_000;

/** How often each receiver is to report, in milliseconds. */
export function reportIntervalMs(mode: RateMode, receivers: number): number {
  const few =
    mode === "fixed"
      ? clamp(receivers * FIXED_MS_A_HOST, FIXED_LEAST_MS, FIXED_MANY_MS)
      : clamp(receivers * FEW_MS_A_HOST, LEAST_MS, MANY_MS);
  return Math.max(few, (receivers * 1_000) / MOST_A_SECOND);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
