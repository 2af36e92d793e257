import type { ByteRange } from "../block.ts";
import { expect, type FreeSpace, type Volume } from "./volume.ts";
import { isXfsLogClean } from "./xfs-log.ts";

const INCOMPAT_NEEDS_REPAIR = 0x10;
const RECORD_BYTES = 8;
const POINTER_BYTES = 4;
const NO_BLOCK = 0xffff_ffff;
const MOST_LEVELS = 16;
const V5 = 5;

type Shape = {
  readonly blockBytes: number;
  readonly sectorBytes: number;
  readonly blocks: number;
  readonly groupBlocks: number;
  readonly groups: number;
  readonly isV5: boolean;
};

type Group = { readonly root: number; readonly levels: number; readonly startBytes: number; readonly blocks: number };

/**
 * The free blocks of an XFS file system: of each allocation group, the tree of
 * its free extents by block number. The blocks of the groups' own free lists count as used.
 *
 * Source: "XFS Algorithms & Data Structures", 3rd edition, allocation groups and short format B+trees. Big-endian.
 */
export async function readXfsFreeSpace(volume: Volume): Promise<FreeSpace> {
  const superblock = await volume.read(0, 512);
  const shape = shapeOf(superblock, volume.sizeBytes);
  const needsRepair = shape.isV5 && (superblock.readUInt32BE(216) & INCOMPAT_NEEDS_REPAIR) !== 0;
  if (needsRepair || superblock.readUInt8(126) !== 0)
    return { state: "dirty", problem: "needs repair", fix: 'run "xfs_repair" on it' };
  const logStart = superblock.readBigUInt64BE(48);
  if (logStart === 0n) return { state: "unknown", reason: "its log is on another disk" };
  const log = volume.part(
    placeOf(logStart, superblock.readUInt8(124), shape),
    superblock.readUInt32BE(96) * shape.blockBytes,
  );
  if (!(await isXfsLogClean(log))) {
    return {
      state: "dirty",
      problem: "was not unmounted: its log is not empty",
      fix: "mount it once and unmount it, or start the machine and shut it down",
    };
  }
  return { state: "known", ranges: freeExtents(volume, shape) };
}

function shapeOf(superblock: Buffer, sizeBytes: number): Shape {
  const shape = {
    blockBytes: superblock.readUInt32BE(4),
    sectorBytes: superblock.readUInt16BE(102),
    blocks: Number(superblock.readBigUInt64BE(8)),
    groupBlocks: superblock.readUInt32BE(84),
    groups: superblock.readUInt32BE(88),
    isV5: (superblock.readUInt16BE(100) & 0xf) === V5,
  };
  const { blockBytes, sectorBytes, blocks, groupBlocks, groups } = shape;
  expect(blockBytes >= 512 && blockBytes <= 65536 && isPowerOf2(blockBytes), "its block size is impossible");
  expect(sectorBytes >= 512 && sectorBytes <= 32768 && isPowerOf2(sectorBytes), "its sector size is impossible");
  expect(blocks > 0 && blocks * blockBytes <= sizeBytes, "it is larger than its partition");
  expect(groupBlocks > 0 && groups === Math.ceil(blocks / groupBlocks), "its groups are impossible");
  return shape;
}

/** Where a block lies whose number has its group in the upper bits. */
function placeOf(number: bigint, groupShift: number, { groupBlocks, blockBytes }: Shape): number {
  expect(groupShift <= 32, "its groups are impossible");
  const group = Number(number >> BigInt(groupShift));
  const block = Number(number & ((1n << BigInt(groupShift)) - 1n));
  return (group * groupBlocks + block) * blockBytes;
}

async function* freeExtents(volume: Volume, shape: Shape): AsyncGenerator<ByteRange> {
  const { blockBytes, groupBlocks } = shape;
  for (let number = 0; number < shape.groups; number += 1) {
    const group = await readGroup(volume, shape, number);
    const base = volume.startBytes + number * groupBlocks * blockBytes;
    let end = 0;
    for await (const leaf of leavesOf(volume, shape, group)) {
      for (let at = 0; at < leaf.length; at += RECORD_BYTES) {
        const first = leaf.readUInt32BE(at);
        const count = leaf.readUInt32BE(at + 4);
        // Ascending, so that a tree that goes in a circle ends, too.
        expect(count > 0 && first >= end && first + count <= group.blocks, "its free extents are out of order");
        end = first + count;
        yield { startBytes: base + first * blockBytes, endBytes: base + end * blockBytes };
      }
    }
  }
}

async function readGroup(volume: Volume, { sectorBytes, blockBytes, groupBlocks, blocks }: Shape, number: number) {
  const startBytes = number * groupBlocks * blockBytes;
  const header = await volume.read(startBytes + sectorBytes, 64);
  const group: Group = {
    root: header.readUInt32BE(16),
    levels: header.readUInt32BE(28),
    startBytes,
    blocks: Math.min(groupBlocks, blocks - number * groupBlocks),
  };
  const isGroup = header.toString("latin1", 0, 4) === "XAGF" && header.readUInt32BE(8) === number;
  expect(isGroup && group.levels >= 1 && group.levels <= MOST_LEVELS, "an allocation group is damaged");
  expect(header.readUInt32BE(12) === group.blocks, "an allocation group has another size");
  return group;
}

/** The records of all leaves, from the leftmost on. */
async function* leavesOf(volume: Volume, { blockBytes, isV5 }: Shape, group: Group): AsyncGenerator<Buffer> {
  const headerBytes = isV5 ? 56 : 16;
  const read = async (number: number, level: number) => {
    expect(number < group.blocks, "its tree of free extents leads out of it");
    const node = await volume.read(group.startBytes + number * blockBytes, blockBytes);
    const isNode = node.toString("latin1", 0, 4) === (isV5 ? "AB3B" : "ABTB") && node.readUInt16BE(4) === level;
    const count = node.readUInt16BE(6);
    const mostRecords = Math.floor(
      (blockBytes - headerBytes) / (level === 0 ? RECORD_BYTES : RECORD_BYTES + POINTER_BYTES),
    );
    expect(isNode && count <= mostRecords, "its tree of free extents is damaged");
    return { node, count, mostRecords };
  };
  let number = group.root;
  for (let level = group.levels - 1; level > 0; level -= 1) {
    const { node, count, mostRecords } = await read(number, level);
    expect(count > 0, "its tree of free extents is damaged");
    // The pointers come behind the room for all keys.
    number = node.readUInt32BE(headerBytes + mostRecords * RECORD_BYTES);
  }
  // An empty leaf is the whole tree of a full group; further ones would go in a circle.
  for (let isFirst = true; number !== NO_BLOCK; isFirst = false) {
    const { node, count } = await read(number, 0);
    expect(count > 0 || isFirst, "its tree of free extents is damaged");
    yield node.subarray(headerBytes, headerBytes + count * RECORD_BYTES);
    number = node.readUInt32BE(12);
  }
}

function isPowerOf2(value: number): boolean {
  return (value & (value - 1)) === 0;
}
