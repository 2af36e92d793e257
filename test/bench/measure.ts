import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { table } from "../../cli/terminal/table.ts";

/** The middle one; of an even number the mean of the middle two. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return Number.isInteger(half) ? (sorted[half - 1]! + sorted[half]!) / 2 : sorted[Math.floor(half)]!;
}

/** The value that `share` (0 to 1) of all values do not pass. NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** What a process has used so far. Its child processes are not counted. */
export type ProcessUse = {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** The most that it had resident since its start. */
  readonly peakBytes: number;
};

/** Linux: the kernel's clock ticks, the same on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** @param pid as our own process sees it */
export function processUse(pid: number): ProcessUse {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // Behind the program's name, which may hold spaces and brackets itself; user and system time are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const kibibytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    residentBytes: kibibytes("VmRSS") * 1024,
    peakBytes: kibibytes("VmHWM") * 1024,
  };
}

/** Runs a measurement several times and gives the median of each of its figures. */
export async function mediansOf<Figure extends string>(
  times: number,
  measure: (round: number) => Promise<Readonly<Record<Figure, number>>>,
): Promise<Record<Figure, number>> {
  const runs: Readonly<Record<Figure, number>>[] = [];
  for (let round = 0; round < times; round += 1) runs.push(await measure(round));
  const names = Object.keys(runs[0] ?? {}) as Figure[];
  return Object.fromEntries(names.map((name) => [name, median(runs.map((run) => run[name]))])) as Record<
    Figure,
    number
  >;
}

/** One line of the result: what was measured, and its figures. */
export type Row = Readonly<Record<string, string | number>>;

/**
 * Prints a benchmark's result: the table for people on stderr, one JSON object
 * for programs on stdout, so that `… > result.json` keeps the second.
 *
 * @param setting what was the same for all rows: counts, sizes, how many runs
 */
export function printBench(
  name: string,
  setting: Readonly<Record<string, string | number>>,
  rows: readonly Row[],
): void {
  const machine = { cpu: cpus()[0]?.model ?? "unknown", cpus: cpus().length, memoryBytes: totalmem() };
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = rows.map((row) => columns.map((column) => shown(row[column])));
  const words = Object.entries(setting).map(([key, value]) => `${key} ${value}`);
  console.error(`${name}: ${words.join(", ")}\n\n${table([columns, ...lines])}\n`);
  console.log(JSON.stringify({ bench: name, machine, node: process.version, setting, rows }));
}

function shown(value: string | number | undefined): string {
  if (typeof value !== "number") return value ?? "";
  // Three figures are more than two runs have in common.
  return Number.isInteger(value) || Math.abs(value) >= 1000
    ? String(Math.round(value))
    : String(Number(value.toPrecision(3)));
}
