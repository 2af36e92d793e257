import assert from "node:assert/strict";
import { type BlockSource, type BlockTarget, readInto } from "../../images/block.ts";
import { CELL_BYTES, isZero } from "../../images/cell.ts";

/**
 * A disk whose cells are written to a target as they are read, for a source that is read only once. Cells of zeros are
 * passed over, and those of the partition table are held back until `finish`: a copy that is interrupted never looks
 * bootable.
 */
export class CopyingSource implements BlockSource {
  readonly sizeBytes: number;
  readonly #source: BlockSource;
  readonly #target: BlockTarget & Pick<BlockSource, "read">;
  readonly #tableCells: ReadonlySet<number>;
  readonly #heldBack = new Map<number, Uint8Array>();

  /** @param tableCells the cells that hold the partition table */
  constructor(source: BlockSource, target: BlockTarget & Pick<BlockSource, "read">, tableCells: readonly number[]) {
    this.sizeBytes = source.sizeBytes;
    this.#source = source;
    this.#target = target;
    this.#tableCells = new Set(tableCells);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await this.readInto(offset, bytes);
    return bytes;
  }

  /** Whole cells alone. */
  async readInto(offset: number, bytes: Uint8Array): Promise<void> {
    assert(offset % CELL_BYTES === 0, "a copy is made of whole cells");
    await readInto(this.#source, offset, bytes);
    const first = offset / CELL_BYTES;
    const count = Math.ceil(bytes.length / CELL_BYTES);
    let start = 0;
    const writeUntil = async (end: number) => {
      const run = bytes.subarray(start * CELL_BYTES, end * CELL_BYTES);
      if (run.length > 0) await this.#target.write((first + start) * CELL_BYTES, run);
      start = end + 1;
    };
    for (let at = 0; at < count; at += 1) {
      const cell = bytes.subarray(at * CELL_BYTES, (at + 1) * CELL_BYTES);
      const isTable = this.#tableCells.has(first + at);
      // A copy: the memory is used again.
      if (isTable) this.#heldBack.set(first + at, Uint8Array.from(cell));
      if (isTable || isZero(cell)) await writeUntil(at);
    }
    await writeUntil(count);
  }

  /** What the target will hold when it is finished. */
  copy(): BlockSource {
    return {
      sizeBytes: this.sizeBytes,
      read: async (offset, length) => {
        const bytes = Uint8Array.from(await this.#target.read(offset, length));
        for (const [cell, held] of this.#heldBack) {
          const from = Math.max(offset, cell * CELL_BYTES);
          const to = Math.min(offset + length, cell * CELL_BYTES + held.length);
          if (from < to) bytes.set(held.subarray(from - cell * CELL_BYTES, to - cell * CELL_BYTES), from - offset);
        }
        return bytes;
      },
    };
  }

  /** Call when all is read: makes it safe on the disk, then writes the partition table, its first sector last. */
  async finish(): Promise<void> {
    await this.#target.flush();
    for (const [cell, bytes] of [...this.#heldBack].sort(([a], [b]) => b - a)) {
      await this.#target.write(cell * CELL_BYTES, bytes);
    }
    await this.#target.flush();
  }
}
