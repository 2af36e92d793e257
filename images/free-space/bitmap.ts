import type { ByteRange } from "../block.ts";
import { expect } from "./volume.ts";

/** Where the blocks are that the bits of a bitmap stand for. */
export type BitmapShape = {
  /** Where on the disk the block of the first bit begins. */
  readonly startBytes: number;
  readonly blockBytes: number;
  /** How many bits count. */
  readonly blocks: number;
  /** The first block's bit is the highest of its byte (HFS Plus), not the lowest. */
  readonly isHighBitFirst?: boolean;
};

/**
 * The free blocks of a bitmap with one bit a block, set when it is used, as
 * joined ranges of the disk.
 *
 * @param pieces the bitmap's bytes in order; they may be cut anywhere between two bytes
 * @throws {Implausible} when they end too early
 */
export async function* freeRangesOf(
  pieces: AsyncIterable<Uint8Array>,
  { startBytes, blockBytes, blocks, isHighBitFirst = false }: BitmapShape,
): AsyncGenerator<ByteRange> {
  const range = (from: number, to: number): ByteRange => ({
    startBytes: startBytes + from * blockBytes,
    endBytes: startBytes + to * blockBytes,
  });
  let block = 0;
  // A free stretch may go on in the next piece.
  let freeFrom: number | undefined;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length && block < blocks; at += 1) {
      const byte = piece[at]!;
      const count = Math.min(8, blocks - block);
      // Most bytes are all used or all free, and then they change nothing.
      if (count === 8 && ((byte === 0 && freeFrom !== undefined) || (byte === 0xff && freeFrom === undefined))) {
        block += 8;
        continue;
      }
      for (let bit = 0; bit < count; bit += 1, block += 1) {
        const isFree = (byte & (isHighBitFirst ? 0x80 >> bit : 1 << bit)) === 0;
        if (isFree) freeFrom ??= block;
        else if (freeFrom !== undefined) {
          yield range(freeFrom, block);
          freeFrom = undefined;
        }
      }
    }
  }
  expect(block >= blocks, "its bitmap is too short");
  if (freeFrom !== undefined) yield range(freeFrom, blocks);
}
