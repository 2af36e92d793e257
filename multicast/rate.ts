import { Fault } from "../fault.ts";

/** Bytes in one of each unit that a rate may be written in: decimal as on network gear, "i" for powers of 1024. */
const unitBytes: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  bit: 1 / 8,
  kbit: 1e3 / 8,
  mbit: 1e6 / 8,
  gbit: 1e9 / 8,
};

/** Below this a stream would not end in a day; above it no network card is known. */
const LEAST_BYTES_PER_SECOND = 1_000;
const MOST_BYTES_PER_SECOND = 50e9;

/**
 * Reads a transmission rate as people write it: "12MB/s", "60 MB/s", "20000kbit", "1.5 Gbit/s".
 *
 * A unit is needed, and it is a rate per second with or without "/s". "B" is bytes, "bit" is bits.
 *
 * @returns whole bytes per second
 * @throws {Fault} RATE_INVALID
 */
export function parseRate(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)(?:\/s)?\s*$/i.exec(text);
  // "Mbps" is megabits everywhere; "MBps" is read both ways by people, so it is refused.
  const unit = match?.[2]?.replace(/bps$/, "bit").toLowerCase() ?? "";
  const bytes = Object.hasOwn(unitBytes, unit) ? unitBytes[unit] : undefined;
  if (match === null || bytes === undefined) {
    throw invalid(text, "It is not a number with one of the units kB, MB, GB, KiB, MiB, GiB, kbit, Mbit, Gbit.");
  }
  const rateBytesPerSecond = Math.round(Number(match[1]) * bytes);
  if (rateBytesPerSecond < LEAST_BYTES_PER_SECOND || rateBytesPerSecond > MOST_BYTES_PER_SECOND) {
    throw invalid(text, "It is outside 1kB/s to 50GB/s.");
  }
  return rateBytesPerSecond;
}

/** A rate as it is shown: "12.0 MB/s", "850 kB/s". */
export function formatRate(rateBytesPerSecond: number): string {
  if (rateBytesPerSecond >= 1e9) return `${(rateBytesPerSecond / 1e9).toFixed(2)} GB/s`;
  if (rateBytesPerSecond >= 1e6) return `${(rateBytesPerSecond / 1e6).toFixed(1)} MB/s`;
  return `${Math.round(rateBytesPerSecond / 1e3)} kB/s`;
}

function invalid(text: string, why: string): Fault {
  return new Fault("RATE_INVALID", {
    what: `"${text}" is not a rate.`,
    why,
    fix: `Write it like "12MB/s", "20000kbit" or "1.5 Gbit/s".`,
  });
}
