import type { BlockSource, BlockTarget } from "./block.ts";
import { CellBits } from "./cell-bits.ts";

const BLOCK_BYTES = 4096;

/**
 * A disk that can be written to while what it is made of stays as it is:
 * blocks of 4 KiB that were written are read from `changes`, all others from `base`.
 */
export class OverlaySource implements BlockSource, BlockTarget {
  readonly sizeBytes: number;
  readonly #base: BlockSource;
  readonly #changes: BlockSource & BlockTarget;
  readonly #changed = new CellBits();

  /** @param changes holds a block where the disk has it; what it holds before is never read */
  constructor(base: BlockSource, changes: BlockSource & BlockTarget) {
    this.#base = base;
    this.#changes = changes;
    this.sizeBytes = base.sizeBytes;
  }

  /** What was written so far, in whole blocks. */
  get changedBytes(): number {
    return this.#changed.count * BLOCK_BYTES;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = offset + length;
    const first = this.#stretch(offset, end);
    if (first.endBytes === end) return first.from.read(offset, length);
    const bytes = Buffer.alloc(length);
    for (let at = offset; at < end; ) {
      const { from, endBytes } = this.#stretch(at, end);
      bytes.set(await from.read(at, endBytes - at), at - offset);
      at = endBytes;
    }
    return bytes;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const end = offset + bytes.length;
    if (bytes.length === 0) return;
    // Blocks that are written in part get the rest of what they were.
    const from = offset - (offset % BLOCK_BYTES);
    const to = Math.min(this.sizeBytes, Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES);
    const before = from < offset ? await this.read(from, offset - from) : undefined;
    const behind = to > end ? await this.read(end, to - end) : undefined;
    if (before === undefined && behind === undefined) await this.#changes.write(offset, bytes);
    else await this.#changes.write(from, Buffer.concat([before ?? empty, bytes, behind ?? empty]));
    this.#changed.mark(from / BLOCK_BYTES, Math.ceil(to / BLOCK_BYTES));
  }

  async flush(): Promise<void> {
    await this.#changes.flush();
  }

  /** The longest stretch from `at` that one of the two has. */
  #stretch(at: number, end: number): { readonly from: BlockSource; readonly endBytes: number } {
    let block = Math.floor(at / BLOCK_BYTES);
    const isChanged = this.#changed.has(block);
    while (block * BLOCK_BYTES < end && this.#changed.has(block) === isChanged) block += 1;
    return { from: isChanged ? this.#changes : this.#base, endBytes: Math.min(end, block * BLOCK_BYTES) };
  }
}

const empty = new Uint8Array(0);
