import type { Receiver } from "../../multicast/roster.ts";

/** Who is late by so much is switched off, not held up. */
const DEAD_AFTER_MS = 15_000;

/**
 * How late the receivers' reports are, in milliseconds: at least half of them are late by that. One that died makes
 * nobody late, and where nobody is left nobody is.
 *
 * @param reportEveryMs how often each is to report
 */
export function reportLateness(receivers: readonly Receiver[], reportEveryMs: number, now: number): number {
  const late = receivers
    .filter(isActive)
    .map(({ reportedAt }) => Math.max(0, now - reportedAt - reportEveryMs))
    .filter((ms) => ms < DEAD_AFTER_MS)
    .toSorted((one, other) => one - other);
  return late[Math.floor((late.length - 1) / 2)] ?? 0;
}

export function isActive({ state }: Receiver): boolean {
  return state === "joined" || state === "ready" || state === "receiving";
}
