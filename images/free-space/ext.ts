import { freeRangesOf } from "./bitmap.ts";
import { expect, type FreeSpace, type Volume } from "./volume.ts";

const SUPERBLOCK_AT = 1024;
const SUPERBLOCK_BYTES = 1024;
const STATE_CLEAN = 1;
const STATE_ERRORS = 2;
const INCOMPAT_RECOVER = 0x4;
const INCOMPAT_META_BG = 0x10;
const INCOMPAT_64BIT = 0x80;
const RO_COMPAT_BIGALLOC = 0x200;
const GROUP_BLOCK_UNINIT = 0x2;

type Shape = {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly firstBlock: number;
  readonly blocksPerGroup: number;
  readonly descriptorBytes: number;
  readonly is64Bit: boolean;
};

/**
 * The free blocks of an ext2, ext3 or ext4 file system.
 *
 * Only a file system that was unmounted cleanly is believed. A group whose
 * bitmap was never written counts as used: nothing of this file system was ever there.
 *
 * Source: Linux, Documentation/filesystems/ext4 (super, group descriptors, bitmaps).
 */
export async function readExtFreeSpace(volume: Volume): Promise<FreeSpace> {
  const superblock = await volume.read(SUPERBLOCK_AT, SUPERBLOCK_BYTES);
  const state = superblock.readUInt16LE(58);
  const incompat = superblock.readUInt32LE(96);
  if ((incompat & INCOMPAT_RECOVER) !== 0) {
    return {
      state: "dirty",
      problem: "was not unmounted: its journal is not empty",
      fix: 'start the machine and shut it down, or run "e2fsck -f" on it',
    };
  }
  if ((state & STATE_ERRORS) !== 0 || (state & STATE_CLEAN) === 0)
    return { state: "dirty", problem: "is not clean", fix: 'run "e2fsck -f" on it' };
  const is64Bit = (incompat & INCOMPAT_64BIT) !== 0;
  if ((incompat & INCOMPAT_META_BG) !== 0) return { state: "unknown", reason: "it has the layout meta_bg" };
  if ((superblock.readUInt32LE(100) & RO_COMPAT_BIGALLOC) !== 0)
    return { state: "unknown", reason: "it has the layout bigalloc" };
  const shape: Shape = {
    blockBytes: 1024 << Math.min(superblock.readUInt32LE(24), 6),
    blocks: superblock.readUInt32LE(4) + (is64Bit ? superblock.readUInt32LE(336) * 2 ** 32 : 0),
    firstBlock: superblock.readUInt32LE(20),
    blocksPerGroup: superblock.readUInt32LE(32),
    descriptorBytes: is64Bit ? superblock.readUInt16LE(254) : 32,
    is64Bit,
  };
  const { blockBytes, blocks, blocksPerGroup, descriptorBytes, firstBlock } = shape;
  expect(blocks * blockBytes <= volume.sizeBytes && blocks > firstBlock && firstBlock <= 1, "its size is impossible");
  const isGroup = blocksPerGroup >= 8 && blocksPerGroup <= blockBytes * 8 && blocksPerGroup % 8 === 0;
  expect(isGroup, "its groups are impossible");
  const isDescriptor = descriptorBytes >= (is64Bit ? 64 : 32) && descriptorBytes <= blockBytes;
  expect(isDescriptor, "its group descriptors are impossible");
  const startBytes = volume.startBytes + firstBlock * blockBytes;
  return {
    state: "known",
    ranges: freeRangesOf(bitmaps(volume, shape), { startBytes, blockBytes, blocks: blocks - firstBlock }),
  };
}

/** The bitmaps of all groups, one after the other. */
async function* bitmaps(volume: Volume, shape: Shape): AsyncGenerator<Uint8Array> {
  const groups = Math.ceil((shape.blocks - shape.firstBlock) / shape.blocksPerGroup);
  for (let group = 0; group < groups; group += 1) yield await readBitmap(volume, shape, group);
}

/** A group's bitmap, one bit a block; all used where there is none that can be believed. */
async function readBitmap(volume: Volume, shape: Shape, group: number): Promise<Uint8Array> {
  const { blockBytes, blocks, blocksPerGroup, descriptorBytes, is64Bit, firstBlock } = shape;
  const allUsed = new Uint8Array(blocksPerGroup / 8).fill(0xff);
  const descriptorAt = (firstBlock + 1) * blockBytes + group * descriptorBytes;
  if (descriptorAt + descriptorBytes > blocks * blockBytes) return allUsed;
  const descriptor = await volume.read(descriptorAt, descriptorBytes);
  if ((descriptor.readUInt16LE(18) & GROUP_BLOCK_UNINIT) !== 0) return allUsed;
  const block = descriptor.readUInt32LE(0) + (is64Bit ? descriptor.readUInt32LE(32) * 2 ** 32 : 0);
  if (block <= firstBlock || block >= blocks) return allUsed;
  return volume.read(block * blockBytes, blocksPerGroup / 8);
}
