import type { StreamDescription } from "../../multicast/description.ts";

/** A description of a stream of packs of these sizes, for tests. */
export function descriptionOf(
  sizes: readonly number[],
  { symbolBytes = 64, symbolsPerBlock = 8 }: { symbolBytes?: number; symbolsPerBlock?: number },
): StreamDescription {
  return {
    streamId: "00000000000000a1",
    manifestDigest: "00".repeat(32),
    group: "239.192.66.1",
    port: 7801,
    symbolBytes,
    symbolsPerBlock,
    packs: sizes.length === 0 ? [] : [[0, sizes.length]],
    streamBytes: sizes.reduce((sum, size) => sum + size, 0),
    rateBytesPerSecond: 1_000_000,
  };
}

/** A small generator of pseudo-random numbers in [0, 1): the seed alone repeats a run (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
