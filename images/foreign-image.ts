import type { BlockSource } from "./block.ts";

/** How a chunk of a foreign image is packed. A gzip, zstd … around a whole file is no chunk: it is read in one pass. */
export type ChunkCodec = "raw" | "zlib" | "bzip2" | "xz" | "adc" | "lzfse";

/** A stretch of the disk, and where its content lies inside of the foreign file. */
export type ForeignChunk = {
  readonly startBytes: number;
  readonly lengthBytes: number;
  /** From the start of the file; of a segmented image, from the start of its joined segments. */
  readonly fileOffset: number;
  /** As stored: `lengthBytes` for "raw", mostly less for the others. */
  readonly fileBytes: number;
  readonly codec: ChunkCodec;
};

/** A stretch of the disk and what is known of it without reading it. */
export type ForeignRange = {
  readonly startBytes: number;
  readonly endBytes: number;
  /** "zero" reads as zeros; "unused" too, but its content was never kept, because nothing used it. */
  readonly state: "data" | "zero" | "unused";
};

/**
 * What is known of the bytes `startBytes` to `endBytes`; the rest is "data".
 *
 * @param ranges ascending and without gaps, as `ForeignImage.ranges` gives them
 */
export function* rangesWithin(
  ranges: Iterable<ForeignRange>,
  startBytes: number,
  endBytes: number,
): Generator<ForeignRange> {
  let at = startBytes;
  for (const range of ranges) {
    if (at >= endBytes) return;
    if (range.endBytes <= at) continue;
    const end = Math.min(range.endBytes, endBytes);
    yield { startBytes: at, endBytes: end, state: range.state };
    at = end;
  }
  if (at < endBytes) yield { startBytes: at, endBytes, state: "data" };
}

/** A disk image of another program, read as the disk that it stands for. */
export type ForeignImage = {
  /** The disk: any place can be read without unpacking the rest. */
  readonly source: BlockSource;
  /** For people: "udzo", "encrypted udrw", "sparsebundle", "partclone ext4". */
  readonly format: string;
  /** Whether it is a disk with a partition map, or one volume without. */
  readonly kind: "disk" | "volume";
  /**
   * Reads all of it and compares with every checksum that the image carries.
   *
   * @param onProgress bytes of the disk that were checked, of all
   * @throws {Fault} with the reason why it is damaged
   */
  verify(onProgress?: (doneBytes: number, totalBytes: number) => void): Promise<void>;
  /**
   * Compares a copy of the disk with the checksums that the image carries of its content; absent when it carries none.
   *
   * @throws {Fault} with the reason why it is another content, and what `copy` throws
   */
  verifyCopy?(copy: BlockSource, onProgress?: (doneBytes: number, totalBytes: number) => void): Promise<void>;
  /** What is known without reading: ascending, without gaps, the whole disk. */
  ranges?(): Iterable<ForeignRange>;
  /** Where the content lies in the file, ascending on the disk; zeros and unused stretches have none. */
  chunks?(): Iterable<ForeignChunk>;
  close(): Promise<void>;
};
