import type { BlockTarget } from "../../images/block.ts";
import { CELL_BYTES, cellLength } from "../../images/cell.ts";
import type { HeldCells } from "../../images/held-cells.ts";
import type { Manifest } from "../../images/manifest.ts";
import { decodePack } from "../../images/pack.ts";
import { type PackPlaces, placesOfPack } from "../../images/pack-places.ts";

const ZERO_STEP_CELLS = 16;
const zeros = new Uint8Array(ZERO_STEP_CELLS * CELL_BYTES);

/**
 * Writes an image's packs to a disk, in any order, and the cells of the
 * partition table at the very end: a restore that is interrupted never leaves a
 * disk that looks bootable.
 */
export class PackWriter {
  readonly #manifest: Manifest;
  readonly #target: BlockTarget;
  readonly #places: PackPlaces;
  readonly #tableCells: ReadonlySet<number>;
  /** What is left as it is on the disk. */
  readonly #held: HeldCells | undefined;
  /** What `finish` will write; a table cell of zeros has no entry here. */
  readonly #heldBack = new Map<number, Uint8Array>();

  /** @param held what is right on the target already, and was not wiped: nothing is written there */
  constructor(manifest: Manifest, target: BlockTarget, held?: HeldCells) {
    this.#manifest = manifest;
    this.#held = held;
    this.#target = target;
    this.#places = placesOfPack(manifest);
    this.#tableCells = new Set(manifest.tableCells);
  }

  /**
   * Checks a pack's stored bytes against the manifest and unpacks them.
   *
   * @throws {Fault} PACK_DAMAGED, PACK_INVALID: nothing of it may be written
   */
  unpack(pack: number, stored: Uint8Array): readonly Uint8Array[] {
    return decodePack(stored, this.#manifest.packs[pack]!);
  }

  /** Writes every place of every cell of a pack; `cells` is what `unpack` gave. */
  async write(pack: number, cells: readonly Uint8Array[]): Promise<void> {
    let startCell = 0;
    let run: Uint8Array | undefined;
    for (const { index, cell } of this.#places.get(pack)) {
      if (this.#held?.isRight(cell) === true) continue;
      const bytes = cells[index]!;
      if (this.#tableCells.has(cell)) {
        // A copy: the pack's memory is used again. (A Buffer's own slice is none.)
        this.#heldBack.set(cell, Uint8Array.from(bytes));
        continue;
      }
      // Neighbours on the disk that are neighbours in memory, too, become one write.
      const longer: Uint8Array | undefined =
        run !== undefined && startCell * CELL_BYTES + run.length === cell * CELL_BYTES ? joined(run, bytes) : undefined;
      if (longer === undefined) {
        if (run !== undefined) await this.#target.write(startCell * CELL_BYTES, run);
        startCell = cell;
      }
      run = longer ?? bytes;
    }
    if (run !== undefined) await this.#target.write(startCell * CELL_BYTES, run);
  }

  /** Writes zeros wherever the image has zeros and the target does not, as far as that is known. */
  async writeZeros(signal: AbortSignal): Promise<void> {
    for (const { state, firstCell, count } of this.#manifest.cells.runs()) {
      if (state !== "zero") continue;
      for (let cell = firstCell; cell < firstCell + count; cell += ZERO_STEP_CELLS) {
        signal.throwIfAborted();
        await this.#writeZeroCells(cell, Math.min(cell + ZERO_STEP_CELLS, firstCell + count));
      }
    }
  }

  /** Call when all packs and zeros are written: makes them safe on the disk, then writes the partition table. */
  async finish(): Promise<void> {
    await this.#target.flush();
    // From the last to the first: the sector that firmware looks at is the very last one written.
    for (const [cell, bytes] of [...this.#heldBack].sort(([a], [b]) => b - a)) {
      await this.#target.write(cell * CELL_BYTES, bytes);
    }
    await this.#target.flush();
  }

  async #writeZeroCells(from: number, to: number): Promise<void> {
    const isRight = (cell: number) => this.#held?.isRight(cell) === true;
    for (let first = from; first < to; first += 1) {
      if (isRight(first)) continue;
      let end = first + 1;
      while (end < to && !isRight(end)) end += 1;
      const length = (end - 1 - first) * CELL_BYTES + cellLength(end - 1, this.#manifest.diskBytes);
      await this.#target.write(first * CELL_BYTES, zeros.subarray(0, length));
      first = end;
    }
  }
}

/** Two views of one buffer that touch, as one view; otherwise undefined. */
function joined(left: Uint8Array, right: Uint8Array): Uint8Array | undefined {
  if (left.buffer !== right.buffer || left.byteOffset + left.length !== right.byteOffset) return undefined;
  return new Uint8Array(left.buffer, left.byteOffset, left.length + right.length);
}
