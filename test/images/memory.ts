import type { BlockSource, BlockTarget } from "../../images/block.ts";

/** A disk in memory, for tests. */
export class MemoryDisk implements BlockSource, BlockTarget {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < 0 || offset + length > this.bytes.length) throw new RangeError(`read ${offset}+${length}`);
    return this.bytes.subarray(offset, offset + length);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (offset < 0 || offset + bytes.length > this.bytes.length) throw new RangeError(`write ${offset}`);
    this.bytes.set(bytes, offset);
  }

  async flush(): Promise<void> {}
}
