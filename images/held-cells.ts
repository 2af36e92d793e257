import { CELL_BYTES, cellLength } from "./cell.ts";
import { CellBits } from "./cell-bits.ts";
import type { Manifest } from "./manifest.ts";
import { type PackPlaces, placesOfPack } from "./pack-places.ts";

/** Bytes of the disk that are right, and bytes of the packs that are needed. */
export type HeldCount = { readonly keptBytes: number; readonly neededBytes: number };

/**
 * What of an image a disk held when it was looked at: a restore leaves that as it is, and asks only for the rest.
 *
 * Where anything is to be written, the partition table counts as wrong, too: it is wiped first and written last, so that
 * a disk in between does not look bootable.
 */
export class HeldCells {
  readonly #manifest: Manifest;
  readonly #places: PackPlaces;
  readonly #wrong: CellBits;
  #count: HeldCount | undefined;

  /** @param wrong cells that hold something else than the image says, from `differingCells` */
  constructor(manifest: Manifest, wrong: CellBits) {
    this.#manifest = manifest;
    this.#places = placesOfPack(manifest);
    this.#wrong = new CellBits();
    this.#wrong.add(wrong);
    if (wrong.count > 0) for (const cell of manifest.tableCells) this.#wrong.mark(cell, cell + 1);
  }

  /** Nothing is to be written at all. */
  get isWhole(): boolean {
    return this.#wrong.count === 0;
  }

  /** Whether a cell with content, or with zeros, is right as it is. An unused cell is not: nobody looked at it. */
  isRight(cell: number): boolean {
    return (
      !this.#wrong.has(cell) && cell < this.#manifest.cells.length && this.#manifest.cells.at(cell).state !== "unused"
    );
  }

  /** Whether every place of every cell of this pack is right. */
  holdsPack(number: number): boolean {
    return this.#places.get(number).every(({ cell }) => !this.#wrong.has(cell));
  }

  /** Bytes of the disk that stay as they are, zeros included, and bytes that come for the rest as they are stored. */
  count(): HeldCount {
    this.#count ??= this.#counted();
    return this.#count;
  }

  #counted(): HeldCount {
    const { cells, diskBytes, packs } = this.#manifest;
    let keptBytes = 0;
    for (const { state, firstCell, count } of cells.runs()) {
      if (state === "unused") continue;
      for (let cell = firstCell; cell < firstCell + count; cell += 1)
        if (!this.#wrong.has(cell)) keptBytes += cellLength(cell, diskBytes);
    }
    const needed = packs.filter((_, number) => !this.holdsPack(number));
    return { keptBytes, neededBytes: needed.reduce((sum, { storedBytes }) => sum + storedBytes, 0) };
  }

  /**
   * What is zeroed before anything else is written, ascending: in both ends of the disk all that is not right, and the
   * partition table wherever it lies. From the first of these writes on nothing boots from the disk.
   *
   * @param diskBytes of the disk, which may be larger than the image
   * @param endBytes how long an end is: partition tables and signatures of file systems lie in them
   */
  wipes(diskBytes: number, endBytes: number): { readonly at: number; readonly length: number }[] {
    if (this.isWhole) return [];
    const cells = new Set(this.#manifest.tableCells);
    const last = Math.ceil(diskBytes / CELL_BYTES);
    for (let cell = 0; cell < Math.min(last, Math.ceil(endBytes / CELL_BYTES)); cell += 1) cells.add(cell);
    for (let cell = Math.floor(Math.max(0, diskBytes - endBytes) / CELL_BYTES); cell < last; cell += 1) cells.add(cell);
    const wipes: { at: number; length: number }[] = [];
    for (const cell of [...cells].sort((a, b) => a - b)) {
      if (this.isRight(cell)) continue;
      const at = cell * CELL_BYTES;
      const length = Math.min(CELL_BYTES, diskBytes - at);
      const before = wipes.at(-1);
      if (before !== undefined && before.at + before.length === at) before.length += length;
      else wipes.push({ at, length });
    }
    return wipes;
  }
}
