import { randomFillSync } from "node:crypto";
import { Fault } from "../../fault.ts";
import { type BlockSource, readInto } from "../../images/block.ts";
import { CELL_BYTES } from "../../images/cell.ts";
import { CellBits } from "../../images/cell-bits.ts";
import type { CellIdWork } from "../../images/cell-work.ts";
import { HeldCells } from "../../images/held-cells.ts";
import type { Manifest } from "../../images/manifest.ts";
import { differingCells, type VerifyProgress } from "../../images/verify.ts";

export type LookOptions = {
  readonly work?: CellIdWork;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: VerifyProgress) => void;
  /** A place that could not be read, in the disk's words: it is written again, and disks mend such a sector then. */
  readonly onUnreadable?: (fault: Fault) => void;
};

/**
 * Looks what of an image a disk holds already, by reading all that the image says something about.
 *
 * @param source the disk, opened for reading alone
 * @throws {Fault} DISK_TOO_SMALL; what reading throws besides DISK_READ
 */
export async function lookAtDisk(
  manifest: Manifest,
  source: BlockSource,
  { onUnreadable, ...options }: LookOptions = {},
): Promise<HeldCells> {
  const wrong = new CellBits();
  const readable = new ReadableSource(source, onUnreadable);
  for await (const cell of differingCells(manifest, readable, options)) wrong.mark(cell, cell + 1);
  return new HeldCells(manifest, wrong);
}

/** A disk whose bad places read as random bytes: whatever the image has there, it is something else. */
export class ReadableSource implements BlockSource {
  readonly #source: BlockSource;
  readonly #onUnreadable: (fault: Fault) => void;

  /** @param onUnreadable hears of each cell that cannot be read */
  constructor(source: BlockSource, onUnreadable: (fault: Fault) => void = () => undefined) {
    this.#source = source;
    this.#onUnreadable = onUnreadable;
  }

  get sizeBytes(): number {
    return this.#source.sizeBytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await this.readInto(offset, bytes);
    return bytes;
  }

  async readInto(offset: number, target: Uint8Array): Promise<void> {
    try {
      await readInto(this.#source, offset, target);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "DISK_READ") throw error;
      if (target.length > CELL_BYTES) {
        // Only the cells that really cannot be read are written again.
        for (let at = 0; at < target.length; at += CELL_BYTES) {
          await this.readInto(offset + at, target.subarray(at, at + CELL_BYTES));
        }
        return;
      }
      this.#onUnreadable(error);
      randomFillSync(target);
    }
  }
}
