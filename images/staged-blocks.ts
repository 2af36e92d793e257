import type { BlockSource, BlockTarget } from "./block.ts";

const BLOCK_BYTES = 4096;

/**
 * Small changes to a large disk, held in memory until all of them are known:
 * what was written is read back from here, everything else from `base`, which
 * stays as it is.
 */
export class StagedBlocks implements BlockSource, BlockTarget {
  readonly sizeBytes: number;
  readonly #base: BlockSource;
  readonly #changed = new Map<number, Buffer>();

  constructor(base: BlockSource) {
    this.#base = base;
    this.sizeBytes = base.sizeBytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const first = Math.floor(offset / BLOCK_BYTES);
    const end = Math.ceil((offset + length) / BLOCK_BYTES);
    const staged = [];
    for (let block = first; block < end; block += 1) if (this.#changed.has(block)) staged.push(block);
    const bytes = await this.#base.read(offset, length);
    if (staged.length === 0) return bytes;
    const merged = Buffer.from(bytes);
    for (const block of staged) {
      const at = block * BLOCK_BYTES - offset;
      const from = Math.max(0, -at);
      this.#changed.get(block)!.copy(merged, Math.max(0, at), from);
    }
    return merged;
  }

  /** Bytes that are already so are no change. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done;
      const block = Math.floor(at / BLOCK_BYTES);
      const inside = at - block * BLOCK_BYTES;
      const part = bytes.subarray(done, done + BLOCK_BYTES - inside);
      const before = this.#changed.get(block) ?? (await this.#whole(block));
      if (Buffer.compare(before.subarray(inside, inside + part.length), part) !== 0) {
        before.set(part, inside);
        this.#changed.set(block, before);
      }
      done += part.length;
    }
  }

  /** Nothing is on a disk before `changes` are written to one. */
  async flush(): Promise<void> {}

  /** What differs from the disk beneath, by place, ascending. */
  changes(): readonly { readonly at: number; readonly bytes: Buffer }[] {
    return [...this.#changed]
      .sort(([one], [other]) => one - other)
      .map(([block, bytes]) => ({ at: block * BLOCK_BYTES, bytes }));
  }

  async #whole(block: number): Promise<Buffer> {
    const at = block * BLOCK_BYTES;
    return Buffer.from(await this.#base.read(at, Math.min(BLOCK_BYTES, this.sizeBytes - at)));
  }
}
