import type { BlockSource, BlockTarget } from "./block.ts";
import { CellBits } from "./cell-bits.ts";

const BLOCK_BYTES = 4096;

/**
 * A disk that can be written to while what it is made of stays as it is:
 * blocks of 4 KiB that were written are read from `changes`, those that were
 * erased are zeros, all others are read from `base`.
 */
export class OverlaySource implements BlockSource, BlockTarget {
  readonly sizeBytes: number;
  readonly #base: BlockSource;
  readonly #changes: BlockSource & BlockTarget;
  readonly #changed = new CellBits();
  /** Of them, those that were written afterwards are in `#changed`, too. */
  readonly #erased = new CellBits();

  /** @param changes holds a block where the disk has it; what it holds before is never read */
  constructor(base: BlockSource, changes: BlockSource & BlockTarget) {
    this.#base = base;
    this.#changes = changes;
    this.sizeBytes = base.sizeBytes;
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

  /** Writes zeros; whole blocks of them need no room. */
  async erase(startBytes: number, endBytes: number): Promise<void> {
    for (let at = startBytes; at < endBytes; ) {
      const block = Math.floor(at / BLOCK_BYTES);
      const end = Math.min(endBytes, (block + 1) * BLOCK_BYTES);
      if (end - at < BLOCK_BYTES || this.#changed.has(block)) await this.write(at, zeros.subarray(0, end - at));
      else this.#erased.mark(block, block + 1);
      at = end;
    }
  }

  async flush(): Promise<void> {
    await this.#changes.flush();
  }

  /** The longest stretch from `at` that lies in one place. */
  #stretch(at: number, end: number): { readonly from: BlockSource; readonly endBytes: number } {
    let block = Math.floor(at / BLOCK_BYTES);
    const from = this.#sourceOf(block);
    while (block * BLOCK_BYTES < end && this.#sourceOf(block) === from) block += 1;
    return { from, endBytes: Math.min(end, block * BLOCK_BYTES) };
  }

  #sourceOf(block: number): BlockSource {
    if (this.#changed.has(block)) return this.#changes;
    return this.#erased.has(block) ? nothing : this.#base;
  }
}

const empty = new Uint8Array(0);
const zeros = new Uint8Array(BLOCK_BYTES);
const nothing: BlockSource = {
  sizeBytes: Number.MAX_SAFE_INTEGER,
  read: async (_, length) => new Uint8Array(length),
};
