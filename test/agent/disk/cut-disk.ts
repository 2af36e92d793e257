import type { BlockSource, BlockTarget } from "../../../images/block.ts";

const SECTOR_BYTES = 512;
/** Writes that the cache holds. */
const MOST_CACHED = 4;

/** The power is gone: whoever waits for this disk waits for nothing. */
export class PowerCut extends Error {}

/**
 * A disk with a small cache of its own: what was written is there at once, and survives a power cut when it was flushed, or
 * when enough was written after it. Of all else each sector survives or not as `random` says, so that writes are lost, torn, and overtake each other.
 */
export class CutDisk implements BlockSource, BlockTarget {
  readonly #random: () => number;
  readonly #durable: Uint8Array;
  readonly #now: Uint8Array;
  #unflushed: { readonly at: number; readonly length: number }[] = [];
  #leftWrites = Number.POSITIVE_INFINITY;
  /** How many writes and flushes there were since the power was on. */
  steps = 0;
  writtenBytes = 0;

  constructor(bytes: Uint8Array, random: () => number) {
    this.#durable = Uint8Array.from(bytes);
    this.#now = Uint8Array.from(bytes);
    this.#random = random;
  }

  get sizeBytes(): number {
    return this.#now.length;
  }

  /** What a start of the machine finds. */
  get bytes(): Uint8Array {
    return this.#now;
  }

  /** The power goes in the middle of the step with this number, counted from 0. */
  cutAt(step: number): void {
    this.steps = 0;
    this.#leftWrites = step;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.#now.slice(offset, offset + length);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#now.set(bytes, offset);
    this.#unflushed.push({ at: offset, length: bytes.length });
    this.writtenBytes += bytes.length;
    this.#step();
    if (this.#unflushed.length > MOST_CACHED) this.#keep(this.#unflushed.splice(0, 1));
  }

  async flush(): Promise<void> {
    this.#step();
    this.#keep(this.#unflushed.splice(0));
  }

  #keep(writes: readonly { readonly at: number; readonly length: number }[]): void {
    for (const { at, length } of writes) this.#durable.set(this.#now.subarray(at, at + length), at);
  }

  #step(): void {
    this.steps += 1;
    if (this.steps <= this.#leftWrites) return;
    for (const { at, length } of this.#unflushed) {
      for (let sector = at; sector < at + length; sector += SECTOR_BYTES) {
        const end = Math.min(sector + SECTOR_BYTES, at + length);
        if (this.#random() < 0.5) this.#durable.set(this.#now.subarray(sector, end), sector);
      }
    }
    this.#unflushed = [];
    this.#now.set(this.#durable);
    throw new PowerCut();
  }
}
