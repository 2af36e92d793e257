import type { BlockSource, ByteRange } from "./block.ts";

/** What the block bitmaps of an ext2, ext3 or ext4 file system say. */
export type ExtFreeBlocks =
  | { readonly isKnown: true; readonly ranges: AsyncIterable<ByteRange> }
  /** The bitmaps cannot be relied on; `reason` is a sentence for people, empty when it is nothing to worry about. */
  | { readonly isKnown: false; readonly reason: string };

const SUPERBLOCK_AT = 1024;
const SUPERBLOCK_BYTES = 1024;
const STATE_CLEAN = 1;
const STATE_ERRORS = 2;
const INCOMPAT_RECOVER = 0x4;
const INCOMPAT_META_BG = 0x10;
const INCOMPAT_64BIT = 0x80;
const RO_COMPAT_BIGALLOC = 0x200;
const GROUP_BLOCK_UNINIT = 0x2;

type Volume = {
  readonly startBytes: number;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly firstBlock: number;
  readonly blocksPerGroup: number;
  readonly descriptorBytes: number;
  readonly is64Bit: boolean;
};

/**
 * The free blocks of an ext2, ext3 or ext4 file system, as ranges of the disk,
 * ascending and joined.
 *
 * Only a file system that was unmounted cleanly is believed. A group whose
 * bitmap was never written counts as used: nothing of this file system was ever there.
 *
 * Source: Linux, Documentation/filesystems/ext4 (super, group descriptors, bitmaps).
 *
 * @param startBytes where on `source` the file system begins
 * @param sizeBytes how long its partition is
 */
export async function readExtFreeBlocks(
  source: BlockSource,
  startBytes: number,
  sizeBytes: number,
): Promise<ExtFreeBlocks> {
  const superblock = Buffer.from(await source.read(startBytes + SUPERBLOCK_AT, SUPERBLOCK_BYTES));
  const state = superblock.readUInt16LE(58);
  const incompat = superblock.readUInt32LE(96);
  if ((incompat & INCOMPAT_RECOVER) !== 0) {
    return unknown("was not unmounted: its journal is not empty. Machines replay it when they start.");
  }
  if ((state & STATE_ERRORS) !== 0 || (state & STATE_CLEAN) === 0)
    return unknown('is not clean; "e2fsck -f" repairs it.');
  const isOtherLayout =
    (incompat & INCOMPAT_META_BG) !== 0 || (superblock.readUInt32LE(100) & RO_COMPAT_BIGALLOC) !== 0;
  const is64Bit = (incompat & INCOMPAT_64BIT) !== 0;
  const volume: Volume = {
    startBytes,
    blockBytes: 1024 << Math.min(superblock.readUInt32LE(24), 6),
    blocks: superblock.readUInt32LE(4) + (is64Bit ? superblock.readUInt32LE(336) * 2 ** 32 : 0),
    firstBlock: superblock.readUInt32LE(20),
    blocksPerGroup: superblock.readUInt32LE(32),
    descriptorBytes: is64Bit ? superblock.readUInt16LE(254) : 32,
    is64Bit,
  };
  const { blockBytes, blocks, blocksPerGroup, descriptorBytes, firstBlock } = volume;
  const isPlausible =
    blocks * blockBytes <= sizeBytes &&
    blocksPerGroup >= 8 &&
    blocksPerGroup <= blockBytes * 8 &&
    blocksPerGroup % 8 === 0 &&
    firstBlock <= 1 &&
    descriptorBytes >= (is64Bit ? 64 : 32) &&
    descriptorBytes <= blockBytes;
  if (isOtherLayout || !isPlausible) return unknown("");
  return { isKnown: true, ranges: freeRanges(source, volume) };
}

async function* freeRanges(source: BlockSource, volume: Volume): AsyncGenerator<ByteRange> {
  const { startBytes, blockBytes, blocks, firstBlock, blocksPerGroup } = volume;
  const groups = Math.ceil((blocks - firstBlock) / blocksPerGroup);
  // A free stretch may go on in the next group.
  let freeFrom: number | undefined;
  for (let group = 0; group < groups; group += 1) {
    const first = firstBlock + group * blocksPerGroup;
    const count = Math.min(blocksPerGroup, blocks - first);
    const bitmap = await readBitmap(source, volume, group);
    for (let at = 0; at < count; at += 1) {
      // Most bytes are all used or all free, and then they change nothing.
      const whole = (at & 7) === 0 && at + 8 <= count ? bitmap[at >> 3] : undefined;
      if ((whole === 0 && freeFrom !== undefined) || (whole === 0xff && freeFrom === undefined)) {
        at += 7;
        continue;
      }
      const isFree = (bitmap[at >> 3]! & (1 << (at & 7))) === 0;
      if (isFree) freeFrom ??= first + at;
      else if (freeFrom !== undefined) {
        yield { startBytes: startBytes + freeFrom * blockBytes, endBytes: startBytes + (first + at) * blockBytes };
        freeFrom = undefined;
      }
    }
  }
  if (freeFrom !== undefined) {
    yield { startBytes: startBytes + freeFrom * blockBytes, endBytes: startBytes + blocks * blockBytes };
  }
}

/** A group's bitmap, one bit a block; all used where there is none that can be believed. */
async function readBitmap(source: BlockSource, volume: Volume, group: number): Promise<Uint8Array> {
  const { startBytes, blockBytes, blocks, blocksPerGroup, descriptorBytes, is64Bit, firstBlock } = volume;
  const allUsed = new Uint8Array(blocksPerGroup / 8).fill(0xff);
  const descriptorAt = (firstBlock + 1) * blockBytes + group * descriptorBytes;
  if (descriptorAt + descriptorBytes > blocks * blockBytes) return allUsed;
  const descriptor = Buffer.from(await source.read(startBytes + descriptorAt, descriptorBytes));
  if ((descriptor.readUInt16LE(18) & GROUP_BLOCK_UNINIT) !== 0) return allUsed;
  const block = descriptor.readUInt32LE(0) + (is64Bit ? descriptor.readUInt32LE(32) * 2 ** 32 : 0);
  if (block <= firstBlock || block >= blocks) return allUsed;
  return source.read(startBytes + block * blockBytes, blocksPerGroup / 8);
}

function unknown(reason: string): ExtFreeBlocks {
  return { isKnown: false, reason };
}
