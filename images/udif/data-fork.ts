import type { BlockSource } from "../block.ts";
import { udifFault } from "./faults.ts";
import { decodeTrailer, TRAILER_BYTES, type UdifTrailer } from "./trailer.ts";

type Part = { readonly source: BlockSource; readonly fileOffset: number; readonly start: number; readonly end: number };

/**
 * The trailer of a .dmg or of one of its segments.
 *
 * @throws {Fault} UDIF_TRAILER, UDIF_TOO_LARGE, and what `source` throws
 */
export async function readTrailer(source: BlockSource): Promise<UdifTrailer> {
  if (source.sizeBytes < TRAILER_BYTES) return decodeTrailer(new Uint8Array());
  return decodeTrailer(await source.read(source.sizeBytes - TRAILER_BYTES, TRAILER_BYTES));
}

/**
 * The data forks of an image's segments, end to end; of most images there is one.
 */
export class DataFork {
  readonly lengthBytes: number;
  readonly #parts: readonly Part[];

  private constructor(parts: readonly Part[]) {
    this.#parts = parts;
    this.lengthBytes = parts.at(-1)?.end ?? 0;
  }

  /**
   * @param first the file with the property list
   * @param others segments 2, 3 … in order
   * @throws {Fault} UDIF_SEGMENTS, UDIF_TRUNCATED, and those of `readTrailer`
   */
  static async open(first: BlockSource, trailer: UdifTrailer, others: readonly BlockSource[]): Promise<DataFork> {
    if (trailer.segmentNumber > 1)
      throw segments(
        `This is segment ${trailer.segmentNumber} of ${trailer.segmentCount}.`,
        "Only the first segment says what is where.",
      );
    const expected = Math.max(trailer.segmentCount, 1);
    if (others.length + 1 !== expected)
      throw segments(
        `${others.length + 1} of the ${expected} segments of the .dmg ${others.length === 0 ? "is" : "are"} here.`,
        "Its content is spread over all of them.",
      );
    const parts = [partOf(first, trailer, 0)];
    for (const [index, source] of others.entries()) {
      const other = await readTrailer(source);
      const number = index + 2;
      if (other.segmentNumber !== number || other.segmentCount !== trailer.segmentCount)
        throw segments(
          `The file for segment ${number} is segment ${other.segmentNumber} of ${other.segmentCount}.`,
          `The .dmg has ${trailer.segmentCount} segments.`,
        );
      if (other.segmentId !== trailer.segmentId)
        throw segments(`Segment ${number} is of another image.`, "It carries another identifier than the first one.");
      const start = parts.at(-1)!.end;
      if (other.runningDataForkOffset !== start)
        throw segments(
          `Segment ${number} does not follow the one before.`,
          `It begins at byte ${other.runningDataForkOffset} of the image's data, the one before ends at ${start}.`,
        );
      parts.push(partOf(source, other, start));
    }
    return new DataFork(parts);
  }

  /** Where a byte of the fork lies in its file; of several segments, in the fork. */
  fileOffset(offset: number): number {
    const [only, ...others] = this.#parts;
    return others.length === 0 && only !== undefined ? only.fileOffset + offset : offset;
  }

  /** Reads bytes of the fork; the range lies inside of it. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = offset + length;
    const pieces = this.#parts
      .filter((part) => part.start < end && part.end > offset)
      .map(({ source, fileOffset, start, end: partEnd }) => {
        const from = Math.max(start, offset);
        return source.read(fileOffset + from - start, Math.min(partEnd, end) - from);
      });
    const bytes = await Promise.all(pieces);
    return bytes.length === 1 ? bytes[0]! : Buffer.concat(bytes);
  }
}

function partOf(source: BlockSource, { dataFork }: UdifTrailer, start: number): Part {
  const end = start + dataFork.length;
  // Sums of numbers below 2^53 stay comparable.
  if (dataFork.offset + dataFork.length > source.sizeBytes - TRAILER_BYTES)
    throw udifFault(
      "UDIF_TRUNCATED",
      "The .dmg is incomplete.",
      `Its data should have ${dataFork.length} bytes from byte ${dataFork.offset} on; the file has ${source.sizeBytes}.`,
    );
  return { source, fileOffset: dataFork.offset, start, end };
}

function segments(what: string, why: string) {
  return udifFault(
    "UDIF_SEGMENTS",
    what,
    why,
    "Put all segments into one folder under their own names (NAME.dmg, NAME.002.dmgpart, …) and give the first one.",
  );
}
