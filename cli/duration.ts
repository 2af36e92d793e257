import { InvalidArgumentError } from "commander";

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads a length of time for an option: "90s", "10m", "1h".
 *
 * @returns milliseconds
 * @throws {InvalidArgumentError} which commander shows with the option's name
 */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text.trim());
  const unit = match?.[2]?.toLowerCase() ?? "";
  if (match === null || !Object.hasOwn(unitMs, unit)) {
    throw new InvalidArgumentError('Write it like "90s", "10m" or "1h".');
  }
  return Math.round(Number(match[1]) * unitMs[unit]!);
}

/** Reads a count of at least one for an option. */
export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("Write a whole number from 1.");
  return Number(text);
}

/** How long ago, for lists: "now", "12 s ago", "3 min ago", "9 days ago". */
export function ago(ms: number): string {
  if (ms < 2_000) return "now";
  if (ms < 90_000) return `${Math.round(ms / 1_000)} s ago`;
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min ago`;
  if (ms < 129_600_000) return `${Math.round(ms / 3_600_000)} hours ago`;
  return `${Math.round(ms / 86_400_000)} days ago`;
}
