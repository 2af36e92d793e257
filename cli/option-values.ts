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

/**
 * Makes the reader of an option that is a whole number.
 *
 * @throws {InvalidArgumentError} in the reader, as above
 */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Write a whole number from ${least} to ${most}.`);
  };
}

/** Reads a count of at least one. */
export const parseCount: (text: string) => number = wholeNumber(1, 999_999);

/** Reads a port. */
export const parsePort: (text: string) => number = wholeNumber(1, 65_535);
