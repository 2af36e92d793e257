/** Runs of blocks, [first, count], ascending, with a gap between any two. */
export type Runs = readonly (readonly [number, number])[];

/** As many runs as one receiver's map has: 1 KB of JSON a report, and more could not be shown either. */
export const MOST_MAP_RUNS = 64;

/**
 * A map of what is missing, with at most `most` runs: the shortest gaps are counted as missing too. So it never
 * leaves out a block that is missing, and is exact where few runs are.
 */
export function coarseMap(runs: Runs, most: number = MOST_MAP_RUNS): [number, number][] {
  const exact = runs.map(([first, count]): [number, number] => [first, count]);
  if (exact.length <= most) return exact;
  const gaps = exact.slice(1).map(([first], at) => ({ at: at + 1, blocks: first - exact[at]![0] - exact[at]![1] }));
  // Of equal gaps the later ones are closed: what is missing first is looked at first.
  gaps.sort((left, right) => left.blocks - right.blocks || right.at - left.at);
  const closed = new Set(gaps.slice(0, exact.length - most).map(({ at }) => at));
  const coarse: [number, number][] = [];
  for (const [at, run] of exact.entries()) {
    const last = coarse.at(-1);
    if (last !== undefined && closed.has(at)) last[1] = run[0] + run[1] - last[0];
    else coarse.push(run);
  }
  return coarse;
}

/**
 * A map as a line of `width` characters, each for an equal stretch of the blocks: "." nothing of it is missing,
 * "x" all of it, "-" a part.
 */
export function drawMap(runs: Runs, blockCount: number, width: number): string {
  let line = "";
  for (let at = 0; at < width; at += 1) {
    const from = (at * blockCount) / width;
    const to = ((at + 1) * blockCount) / width;
    let missing = 0;
    for (const [first, count] of runs) missing += Math.max(0, Math.min(to, first + count) - Math.max(from, first));
    line += missing === 0 ? "." : missing >= to - from - 1e-6 ? "x" : "-";
  }
  return line;
}
