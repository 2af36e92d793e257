import { cellId, isZero } from "./cell.ts";
import { type EncodedPack, encodePack, type PackCodec, type PackOptions } from "./pack.ts";

/**
 * What is computed of cells while a disk is scanned. `cellWorkHere` does it on the thread that scans;
 * server and agent have threads for it (`server/images/image-threads.ts`, `agent/threads/cell-threads.ts`).
 */
export interface CellWork {
  /** Stretches of up to a MiB that are worth being under way at the same time. */
  readonly stretchesAtOnce: number;
  /** Memory that the work is done on, with anything in it; it is the caller's until `giveBack`. */
  take(lengthBytes: number): Uint8Array;
  /** @param memory what `take` gave, or the bytes of a pack that nobody needs any more */
  giveBack(memory: Uint8Array): void;
  /** The id of each cell; undefined for one of zeros. */
  identify(cells: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>;
  /** As `encodePack` in pack.ts. */
  encodePack(
    cells: readonly Uint8Array[],
    codec: PackCodec,
    options: PackOptions & { readonly cellIds: Uint8Array },
  ): Promise<EncodedPack>;
}

/** As much of it as comparing a disk with its image takes. */
export type CellIdWork = Pick<CellWork, "stretchesAtOnce" | "take" | "giveBack" | "identify">;

const STRETCHES_AT_ONCE = 4;

/** On the thread that calls it; only zstd has other threads. */
export function cellWorkHere(): CellWork {
  // Fresh memory costs more than all that is computed on it: the kernel clears it page by page.
  const spare: ArrayBufferLike[] = [];
  const lent = new Set<ArrayBufferLike>();
  return {
    stretchesAtOnce: STRETCHES_AT_ONCE,
    take(lengthBytes) {
      const found = spare.pop();
      const memory = found !== undefined && found.byteLength >= lengthBytes ? found : new ArrayBuffer(lengthBytes);
      lent.add(memory);
      return new Uint8Array(memory, 0, lengthBytes);
    },
    giveBack({ buffer }) {
      if (lent.delete(buffer)) spare.push(buffer);
    },
    identify: async (cells) => cells.map((cell) => (isZero(cell) ? undefined : cellId(cell))),
    encodePack,
  };
}
