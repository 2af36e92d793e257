import type { ByteRange } from "./block.ts";

/** A stretch of blocks that are all used or all unused. */
export type BlockRun = { readonly first: number; readonly end: number; readonly isUsed: boolean };

/** Blocks whose sum of used ones is kept, so that a place is found without counting from the start. */
const STEP_BLOCKS = 4096;

/** Which blocks of a file system a partclone image holds: one bit each, the lowest of a byte first. */
export class PartcloneBitmap {
  readonly blocks: number;
  readonly usedBlocks: number;
  readonly #bits: Uint8Array;
  readonly #usedBefore: Float64Array;

  constructor(bits: Uint8Array, blocks: number) {
    this.#bits = bits;
    this.blocks = blocks;
    this.#usedBefore = new Float64Array(Math.ceil(blocks / STEP_BLOCKS) + 1);
    for (let step = 0; step + 1 < this.#usedBefore.length; step += 1) {
      const end = Math.min((step + 1) * STEP_BLOCKS, blocks);
      this.#usedBefore[step + 1] = this.#usedBefore[step]! + this.#count(step * STEP_BLOCKS, end);
    }
    this.usedBlocks = this.#usedBefore.at(-1)!;
  }

  /** How many used blocks lie before `block`: its place among them, when it is used itself. */
  indexOf(block: number): number {
    const step = Math.floor(block / STEP_BLOCKS);
    return this.#usedBefore[step]! + this.#count(step * STEP_BLOCKS, block);
  }

  /** The stretches of the blocks `first` to `end` (exclusive), ascending. */
  *runs(first = 0, end = this.blocks): Generator<BlockRun> {
    for (let at = first; at < end; ) {
      const isUsed = this.#isUsed(at);
      const whole = isUsed ? 0xff : 0;
      let next = at + 1;
      while (next < end) {
        if (next % 8 === 0 && next + 8 <= end && this.#bits[next / 8] === whole) next += 8;
        else if (this.#isUsed(next) === isUsed) next += 1;
        else break;
      }
      yield { first: at, end: next, isUsed };
      at = next;
    }
  }

  #isUsed(block: number): boolean {
    return ((this.#bits[Math.floor(block / 8)]! >> (block % 8)) & 1) === 1;
  }

  /** `first` is a multiple of 8. */
  #count(first: number, end: number): number {
    let sum = 0;
    const lastByte = Math.floor(end / 8);
    for (let byte = first / 8; byte < lastByte; byte += 1) sum += bitsOf[this.#bits[byte]!]!;
    const rest = end % 8;
    return rest === 0 ? sum : sum + bitsOf[this.#bits[lastByte]! & ((1 << rest) - 1)]!;
  }
}

/** Version 1's bitmap, one byte for each block, as bits. Undefined when a byte is neither 0 nor 1. */
export function bitsOfBytes(bytes: Uint8Array): Uint8Array | undefined {
  const bits = new Uint8Array(Math.ceil(bytes.length / 8));
  for (const [block, value] of bytes.entries()) {
    if (value > 1) return undefined;
    bits[block >> 3] = bits[block >> 3]! | (value << (block & 7));
  }
  return bits;
}

/** A run as bytes of the disk. */
export function bytesOfRun({ first, end }: BlockRun, blockBytes: number): ByteRange {
  return { startBytes: first * blockBytes, endBytes: end * blockBytes };
}

const bitsOf = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);
