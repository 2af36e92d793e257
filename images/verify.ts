import { Fault } from "../fault.ts";
import { type BlockSource, readInto } from "./block.ts";
import { CELL_BYTES, cellId, cellLength } from "./cell.ts";
import { type CellIdWork, cellWorkHere } from "./cell-work.ts";
import { type Manifest, storedCellId } from "./manifest.ts";

export type VerifyProgress = {
  /** Bytes compared, of `totalBytes`; unused cells are not counted. */
  readonly doneBytes: number;
  readonly totalBytes: number;
};

export type VerifyOptions = {
  /** What computes the ids of cells; absent: the thread that asks. */
  readonly work?: CellIdWork;
  /** Whether a stretch of cells that begins here is compared at all; every one unless given. */
  readonly isPicked?: (firstCell: number) => boolean;
  readonly onProgress?: (progress: VerifyProgress) => void;
  readonly signal?: AbortSignal;
};

const READ_CELLS = 32;
/** The longest stretch that is read at once. */
export const STRETCH_BYTES = READ_CELLS * CELL_BYTES;

/** Cells of one state that follow each other, and the stored number of the first. */
type Stretch = {
  readonly isZero: boolean;
  readonly first: number;
  readonly count: number;
  readonly firstStored: number;
};

type Compared = { readonly differing: readonly number[]; readonly lengthBytes: number };

/**
 * The cells of `source` whose content is not what the manifest says, ascending.
 * Unused cells may hold anything and are not read.
 *
 * @param source a disk at least as large as the image
 * @throws {Fault} DISK_TOO_SMALL
 */
export async function* differingCells(
  manifest: Manifest,
  source: BlockSource,
  { work = cellWorkHere(), isPicked = () => true, onProgress, signal }: VerifyOptions = {},
): AsyncGenerator<number> {
  if (source.sizeBytes < manifest.diskBytes) throw tooSmall(source.sizeBytes, manifest.diskBytes);
  const totalBytes = usedBytes(manifest, isPicked);
  const stretches = usedStretches(manifest, isPicked);
  const underWay: Promise<Compared>[] = [];
  const begin = () => {
    const { value } = stretches.next();
    if (value === undefined) return;
    const comparing = compare(manifest, source, work, value);
    // Who waits for it gets the failure.
    comparing.catch(() => {});
    underWay.push(comparing);
  };
  try {
    for (let ahead = 0; ahead < work.stretchesAtOnce; ahead += 1) begin();
    for (let doneBytes = 0; underWay.length > 0; ) {
      signal?.throwIfAborted();
      const { differing, lengthBytes } = await underWay[0]!;
      void underWay.shift();
      begin();
      yield* differing;
      doneBytes += lengthBytes;
      onProgress?.({ doneBytes, totalBytes });
    }
  } finally {
    // Nothing is read any more when the caller closes the disk.
    await Promise.allSettled(underWay);
  }
}

/** All but unused cells. */
function* usedStretches(manifest: Manifest, isPicked: (firstCell: number) => boolean): Generator<Stretch, undefined> {
  for (const { state, firstCell, count, firstStored } of manifest.cells.runs()) {
    if (state === "unused") continue;
    for (let done = 0; done < count; done += READ_CELLS) {
      const place = { first: firstCell + done, firstStored: firstStored + done };
      if (!isPicked(place.first)) continue;
      yield { isZero: state === "zero", count: Math.min(READ_CELLS, count - done), ...place };
    }
  }
  return undefined;
}

async function compare(manifest: Manifest, source: BlockSource, work: CellIdWork, stretch: Stretch): Promise<Compared> {
  const { isZero, first, count, firstStored } = stretch;
  const lengthBytes = bytesOf(manifest, stretch);
  const memory = work.take(lengthBytes);
  try {
    await readInto(source, first * CELL_BYTES, memory);
    const cells = Array.from({ length: count }, (_, at) => memory.subarray(at * CELL_BYTES, (at + 1) * CELL_BYTES));
    const ids = await work.identify(cells);
    const isOther = (at: number) => {
      if (isZero) return ids[at] !== undefined;
      // Cells of zeros have no id here; a disk's table keeps some.
      return Buffer.compare(ids[at] ?? cellId(cells[at]!), storedCellId(manifest, firstStored + at)) !== 0;
    };
    return { differing: cells.flatMap((_, at) => (isOther(at) ? [first + at] : [])), lengthBytes };
  } finally {
    work.giveBack(memory);
  }
}

function bytesOf({ diskBytes }: Manifest, { first, count }: Stretch): number {
  return (count - 1) * CELL_BYTES + cellLength(first + count - 1, diskBytes);
}

/** The bytes of a disk that an image says something about: all but its unused cells. */
export function usedBytes(manifest: Manifest, isPicked: (firstCell: number) => boolean = () => true): number {
  let bytes = 0;
  for (const stretch of usedStretches(manifest, isPicked)) bytes += bytesOf(manifest, stretch);
  return bytes;
}

function tooSmall(sizeBytes: number, diskBytes: number): Fault {
  return new Fault("DISK_TOO_SMALL", {
    what: `The disk has ${sizeBytes} bytes, the image ${diskBytes}.`,
    why: "An image fits only on a disk that is at least as large as the one it was made from.",
    fix: "Use a larger disk, or an image of a smaller one.",
  });
}
