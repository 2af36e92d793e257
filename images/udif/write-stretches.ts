import type { ForeignRange } from "../foreign-image.ts";
import { SECTOR_BYTES } from "./numbers.ts";
import type { DiskArea } from "./write-areas.ts";

/** What becomes one run of a table, as far as it is known before it is read. */
export type Stretch = {
  readonly area: DiskArea;
  /** Relative to the area. */
  readonly firstSector: number;
  readonly sectorCount: number;
  readonly state: ForeignRange["state"];
};

/**
 * Cuts each area into chunks, and leaves whole what is known to be zero or
 * unused: an empty tebibyte is one stretch.
 *
 * @param ranges ascending; without them all is "data", to be read
 */
export function* stretchesOf(
  areas: readonly DiskArea[],
  chunkSectors: number,
  ranges: Iterable<ForeignRange> = [],
): Generator<Stretch> {
  const known = new KnownRanges(ranges);
  for (const area of areas) {
    for (let at = 0; at < area.sectorCount; ) {
      const left = area.sectorCount - at;
      const chunk = Math.min(left, chunkSectors);
      const { state, endBytes } = known.at((area.firstSector + at) * SECTOR_BYTES);
      const knownSectors = Math.min(left, Math.floor(endBytes / SECTOR_BYTES) - area.firstSector - at);
      if (state === "data" || knownSectors < chunk) {
        yield { area, firstSector: at, sectorCount: chunk, state: "data" };
        at += chunk;
        continue;
      }
      // Chunks begin at multiples of their length, whatever was empty before them.
      const sectorCount = knownSectors === left ? left : knownSectors - (knownSectors % chunkSectors);
      yield { area, firstSector: at, sectorCount, state };
      at += sectorCount;
    }
  }
}

/** The range that holds a byte; asked in ascending order. */
class KnownRanges {
  readonly #ranges: Iterator<ForeignRange>;
  #current: ForeignRange = { startBytes: 0, endBytes: 0, state: "data" };

  constructor(ranges: Iterable<ForeignRange>) {
    this.#ranges = ranges[Symbol.iterator]();
  }

  at(byte: number): ForeignRange {
    while (this.#current.endBytes <= byte) {
      const next = this.#ranges.next();
      if (next.done) return { startBytes: byte, endBytes: Infinity, state: "data" };
      this.#current = next.value;
    }
    return this.#current;
  }
}
