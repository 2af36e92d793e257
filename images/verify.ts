import { Fault } from "../fault.ts";
import type { BlockSource } from "./block.ts";
import { CELL_BYTES, cellId, cellLength, isZero } from "./cell.ts";
import { type Manifest, storedCellId } from "./manifest.ts";

export type VerifyProgress = {
  /** Bytes compared, of `totalBytes`; unused cells are not counted. */
  readonly doneBytes: number;
  readonly totalBytes: number;
};

const READ_CELLS = 32;

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
  options: { readonly onProgress?: (progress: VerifyProgress) => void; readonly signal?: AbortSignal } = {},
): AsyncGenerator<number> {
  if (source.sizeBytes < manifest.diskBytes) throw tooSmall(source.sizeBytes, manifest.diskBytes);
  const totalBytes = usedBytes(manifest);
  let doneBytes = 0;
  for (const { state, firstCell, count, firstStored } of manifest.cells.runs()) {
    if (state === "unused") continue;
    for (let first = firstCell; first < firstCell + count; first += READ_CELLS) {
      options.signal?.throwIfAborted();
      const cells = Math.min(READ_CELLS, firstCell + count - first);
      const length = (cells - 1) * CELL_BYTES + cellLength(first + cells - 1, manifest.diskBytes);
      const bytes = await source.read(first * CELL_BYTES, length);
      for (let cell = first; cell < first + cells; cell += 1) {
        const content = bytes.subarray((cell - first) * CELL_BYTES, (cell - first + 1) * CELL_BYTES);
        const id = storedCellId(manifest, firstStored + cell - firstCell);
        const isSame = state === "zero" ? isZero(content) : Buffer.compare(cellId(content), id) === 0;
        if (!isSame) yield cell;
      }
      doneBytes += length;
      options.onProgress?.({ doneBytes, totalBytes });
    }
  }
}

/** The bytes of a disk that an image says something about: all but its unused cells. */
export function usedBytes(manifest: Manifest): number {
  let bytes = 0;
  for (const { state, firstCell, count } of manifest.cells.runs()) {
    if (state !== "unused") bytes += (count - 1) * CELL_BYTES + cellLength(firstCell + count - 1, manifest.diskBytes);
  }
  return bytes;
}

function tooSmall(sizeBytes: number, diskBytes: number): Fault {
  return new Fault("DISK_TOO_SMALL", {
    what: `The disk has ${sizeBytes} bytes, the image ${diskBytes}.`,
    why: "An image fits only on a disk that is at least as large as the one it was made from.",
    fix: "Use a larger disk, or an image of a smaller one.",
  });
}
