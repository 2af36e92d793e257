import type { Receiver } from "../../multicast/roster.ts";

/** Who is late by so much is switched off, not held up. */
const DEAD_AFTER_MS = 15_000;

/**
 * How late the receivers' reports are, in milliseconds: at least three quarters of them are late by that. A network that
 * suffers holds up nearly all of them; hosts that are switched off together hold up nobody, nor do those that joined and
 * never said that they are ready. Where nobody is left nobody is late.
 *
 * @param reportEveryMs how often each is to report
 */
export function reportLateness(receivers: readonly Receiver[], reportEveryMs: number, now: number): number {
  const late = receivers
    .filter(({ state }) => state === "ready" || state === "receiving")
    .map(({ reportedAt }) => Math.max(0, now - reportedAt - reportEveryMs))
    .filter((ms) => ms < DEAD_AFTER_MS)
    .toSorted((one, other) => one - other);
  return late[Math.floor((late.length - 1) / 4)] ?? 0;
}

export function isActive({ state }: Receiver): boolean {
  return state === "joined" || state === "ready" || state === "receiving";
}
