import { ALIGNMENT_BYTES, alignedDown, type PartitionPlaces } from "./disk-write.ts";

/** Less than this is not worth a change: disks that are sold as equal differ by a few sectors. */
export const LEAST_GAIN_BYTES = 4 * ALIGNMENT_BYTES;

/** One partition, as far as its place matters. */
export type Placed = {
  readonly number: number;
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** Bytes right before it that go where it goes: the record of a logical partition. */
  readonly headBytes: number;
  /** What is in it may be thrown away and made anew elsewhere: swap. */
  readonly isMovable: boolean;
  /** Why it does not grow, in words; undefined: it may. */
  readonly keeps: string | undefined;
  /** No larger than this, whatever room there is. */
  readonly mostBytes: number;
};

/** Which partition grows, and what makes room for it. */
export type Growing = {
  readonly number: number;
  /** The one that grows and the ones that move; none when there is nothing to gain. */
  readonly places: PartitionPlaces;
};

/**
 * Decides where partitions lie on a larger disk: the last one grows to the end. Swap behind it moves to the end of the
 * disk first. Nothing else moves: what would be copied in place could be cut in two by a power failure.
 *
 * @param endBytes the first byte that no partition may take
 * @returns in words why nothing grows; or what grows
 */
export function planPlaces(partitions: readonly Placed[], endBytes: number): Growing | string {
  const ordered = partitions.toSorted((a, b) => a.startBytes - b.startBytes);
  const behind: Placed[] = [];
  while (ordered.at(-1)?.isMovable === true) behind.unshift(ordered.pop()!);
  const last = ordered.at(-1);
  if (last === undefined) return "there is no partition that could grow";
  if (last.keeps !== undefined) return `the last partition (${last.number}) ${last.keeps}`;
  const places = new Map<number, { startBytes: number; endBytes: number }>();
  let freeEnd = alignedDown(endBytes);
  for (const one of behind.toReversed()) {
    const startBytes = alignedDown(freeEnd - one.sizeBytes);
    places.set(one.number, { startBytes, endBytes: startBytes + one.sizeBytes });
    freeEnd = alignedDown(startBytes - one.headBytes);
  }
  const end = Math.min(freeEnd, last.startBytes + last.mostBytes);
  if (end - (last.startBytes + last.sizeBytes) < LEAST_GAIN_BYTES) return { number: last.number, places: new Map() };
  return { number: last.number, places: places.set(last.number, { startBytes: last.startBytes, endBytes: end }) };
}
