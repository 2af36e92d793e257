import { expect, type FreeSpace, type Volume } from "./volume.ts";

const SUPERBLOCK_AT = 65536;

/**
 * Whether the free space of a btrfs may be believed; where it is, only another
 * program's map tells: its trees map every address through chunks.
 *
 * Source: btrfs on-disk format, superblock (btrfs.readthedocs.io). Little-endian.
 */
export async function readBtrfsFreeSpace(volume: Volume): Promise<FreeSpace> {
  const superblock = await volume.read(SUPERBLOCK_AT, 256);
  expect(superblock.toString("latin1", 64, 72) === "_BHRfS_M", "it has no superblock");
  // The log's blocks are in no map: a copy without them could not be mounted.
  if (superblock.readBigUInt64LE(96) !== 0n) {
    return {
      state: "dirty",
      problem: "was not unmounted: its log is not empty",
      fix: "mount it once and unmount it, or start the machine and shut it down",
    };
  }
  if (superblock.readBigUInt64LE(136) !== 1n) return { state: "unknown", reason: "it is on several disks" };
  return { state: "unknown", reason: NO_MAP };
}

/** Of file systems that only another program's map knows. */
export const NO_MAP = "only the partclone program knows its free space";
