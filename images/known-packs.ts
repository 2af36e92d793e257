import { CellIdTable } from "./cell-id-table.ts";
import { idsOf } from "./cell-lists.ts";
import { ID_BYTES, type Manifest, type PackEntry, packCellCount, packOfStored, tablePacks } from "./manifest.ts";

/** A pack of which less is needed is not worth sending: what is needed is packed anew. */
const LEAST_NEEDED = 1 / 2;

/**
 * Finds the packs of an earlier image version that hold the cells of a new one.
 *
 * Their digests cannot be computed from the cells: another version of zstd
 * compresses them to other bytes, and then nothing would ever be equal.
 */
export class KnownPacks {
  readonly #manifest: Manifest;
  // By the first cell's id: among the packs of one image no two begin with the same cell.
  readonly #byFirstCell = new Map<string, PackEntry>();
  // The cells outside of the partition table; their numbers here are their stored numbers.
  readonly #cells = new CellIdTable();
  readonly #bad = new Set<string>();

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
    for (const pack of manifest.packs) this.#byFirstCell.set(keyOf(pack.cellIds), pack);
    const tables = tablePacks(manifest);
    const stored = tables.length === 0 ? manifest.cellIds.length / ID_BYTES : manifest.packs[tables[0]!]!.firstStored;
    for (let at = 0; at < stored; at += 1) {
      const id = manifest.cellIds.subarray(at * ID_BYTES, (at + 1) * ID_BYTES);
      // An image has each cell once; where one has not, the numbers behind would be wrong.
      if (this.#cells.find(id) !== undefined) break;
      this.#cells.add(id);
    }
  }

  /** This pack is missing or damaged: it is not found any more. */
  forget(digest: string): void {
    this.#bad.add(digest);
  }

  /** The pack with exactly these cells. @param cellIds the ids of a pack's cells, 32 bytes each */
  find(cellIds: Uint8Array): PackEntry | undefined {
    const pack = this.#byFirstCell.get(keyOf(cellIds));
    if (pack === undefined || this.#bad.has(pack.digest)) return undefined;
    return Buffer.compare(pack.cellIds, cellIds) === 0 ? pack : undefined;
  }

  /** The packs of whose cells at least half are among these, in the order of the disk they were made from. */
  packsHolding(cellIds: Uint8Array): PackEntry[] {
    const needed = new Map<number, Set<number>>();
    for (const id of idsOf(cellIds)) {
      const stored = this.#cells.find(id);
      if (stored === undefined) continue;
      const number = packOfStored(this.#manifest.packs, stored);
      const cells = needed.get(number);
      if (cells === undefined) needed.set(number, new Set([stored]));
      else cells.add(stored);
    }
    return [...needed]
      .sort(([a], [b]) => a - b)
      .map(([number, cells]) => ({ pack: this.#manifest.packs[number]!, count: cells.size }))
      .filter(({ pack, count }) => !this.#bad.has(pack.digest) && count >= packCellCount(pack) * LEAST_NEEDED)
      .map(({ pack }) => pack);
  }
}

function keyOf(cellIds: Uint8Array): string {
  return Buffer.from(cellIds.buffer, cellIds.byteOffset, ID_BYTES).toString("latin1");
}
