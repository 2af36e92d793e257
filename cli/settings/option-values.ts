import { InvalidArgumentError } from "commander";

const unitMs: Readonly<Record<string, number>> = {
  "": 1_000,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Makes the reader of an option that is a length of time: "90s", "10m", "1h", or plain seconds. It returns milliseconds.
 *
 * @throws {InvalidArgumentError} in the reader; commander shows it with the option's name
 */
export function duration({ leastMs = 0, mostMs }: { leastMs?: number; mostMs: number }): (text: string) => number {
  return (text) => {
    const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
    const unit = match?.[2]?.toLowerCase() ?? "";
    if (match === null || !Object.hasOwn(unitMs, unit)) {
      throw new InvalidArgumentError('Write it like "90s", "10m", "1h", or in seconds.');
    }
    const valueMs = Math.round(Number(match[1]) * unitMs[unit]!);
    if (valueMs >= leastMs && valueMs <= mostMs) return valueMs;
    throw new InvalidArgumentError(`Write a time from ${leastMs / 1000}s to ${mostMs / 1000}s.`);
  };
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

/** Reads a size in bytes: "8G" is 8 * 10^9 as on a label, "8GiB" is 8 * 2^30. */
export function byteSize(text: string): number {
  const [, number = "", unit = "", binary = ""] = /^(\d{1,9}(?:\.\d{1,3})?)([KMGT])(iB?|B)?$/i.exec(text.trim()) ?? [];
  const base = binary.toLowerCase().startsWith("i") ? 1024 : 1000;
  const bytes = Math.round(Number(number) * base ** ("KMGT".indexOf(unit.toUpperCase()) + 1));
  if (unit !== "" && bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError('Write a size with its unit, like "8G" (as on a label) or "8GiB".');
}
