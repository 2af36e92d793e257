import type { BlockSource, ByteRange } from "../block.ts";

/** What is known of the free space of one file system. Ranges are bytes of the disk, ascending and joined. */
export type FreeSpace =
  | { readonly state: "known"; readonly ranges: AsyncIterable<ByteRange> }
  /** It was not unmounted, or is damaged: what it says is free may be in use. `problem` and `fix` are for people. */
  | { readonly state: "dirty"; readonly problem: string; readonly fix: string }
  /** It cannot be read here; `reason` completes "All of it is kept: …". */
  | { readonly state: "unknown"; readonly reason: string };

/** What no sound file system says. Whoever asked for its free space keeps all of it. */
export class Implausible extends Error {
  override readonly name = "Implausible";
}

/** @throws {Implausible} */
export function expect(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Implausible(what);
}

/** One file system on a disk, read by its own places: 0 is its first byte. */
export class Volume {
  /** Where on the disk it begins. */
  readonly startBytes: number;
  readonly sizeBytes: number;
  readonly #source: BlockSource;

  constructor(source: BlockSource, startBytes: number, sizeBytes: number) {
    this.#source = source;
    this.startBytes = startBytes;
    this.sizeBytes = sizeBytes;
  }

  /** @throws {Implausible} when the place is not inside of the volume */
  async read(at: number, length: number): Promise<Buffer> {
    const isInside = Number.isSafeInteger(at) && at >= 0 && length >= 0 && at + length <= this.sizeBytes;
    expect(isInside, `it points to byte ${at}, outside of itself`);
    const bytes = await this.#source.read(this.startBytes + at, length);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** The same place on another disk. */
  on(source: BlockSource): Volume {
    return new Volume(source, this.startBytes, this.sizeBytes);
  }

  /** A part of it, as an HFS Plus volume inside of its wrapper. @throws {Implausible} */
  part(at: number, sizeBytes: number): Volume {
    const isInside = at >= 0 && sizeBytes >= 0 && at + sizeBytes <= this.sizeBytes;
    expect(isInside, "a volume inside of it ends behind it");
    return new Volume(this.#source, this.startBytes + at, sizeBytes);
  }
}

/** A stretch of blocks (clusters, sectors) of a file system. */
export type BlockRun = { readonly first: number; readonly count: number };

const PIECE_BYTES = 1 << 20;

/**
 * The first `lengthBytes` of a file that lies in `runs`, in pieces of at most a MiB.
 *
 * @throws {Implausible} when the runs hold less, or lie outside of the volume
 */
export async function* piecesOf(
  volume: Volume,
  runs: readonly BlockRun[],
  blockBytes: number,
  lengthBytes: number,
): AsyncGenerator<Buffer> {
  let left = lengthBytes;
  for (const { first, count } of runs) {
    const runBytes = Math.min(count * blockBytes, left);
    for (let at = 0; at < runBytes; at += PIECE_BYTES)
      yield await volume.read(first * blockBytes + at, Math.min(PIECE_BYTES, runBytes - at));
    left -= runBytes;
  }
  expect(left === 0, "a file of its own is shorter than it says");
}
