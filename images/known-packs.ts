import { ID_BYTES, type Manifest, type PackEntry } from "./manifest.ts";

/**
 * Finds the pack of an earlier image version that holds exactly the same cells.
 *
 * Its digest cannot be computed from the cells: another version of zstd
 * compresses them to other bytes, and then nothing would ever be equal.
 */
export class KnownPacks {
  // By the first cell's id: among the packs of one image no two begin with the same cell.
  readonly #byFirstCell = new Map<string, PackEntry>();

  constructor(manifest: Manifest) {
    for (const pack of manifest.packs) this.#byFirstCell.set(keyOf(pack.cellIds), pack);
  }

  /** @param cellIds the ids of a pack's cells, 32 bytes each */
  find(cellIds: Uint8Array): PackEntry | undefined {
    const pack = this.#byFirstCell.get(keyOf(cellIds));
    return pack !== undefined && Buffer.compare(pack.cellIds, cellIds) === 0 ? pack : undefined;
  }
}

function keyOf(cellIds: Uint8Array): string {
  return Buffer.from(cellIds.buffer, cellIds.byteOffset, ID_BYTES).toString("latin1");
}
