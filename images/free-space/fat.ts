import { freeRangesOf } from "./bitmap.ts";
import { type FatShape, FIRST_CLUSTER, fatShapeOf } from "./fat-shape.ts";
import type { FreeSpace, Volume } from "./volume.ts";

/** In the second entry of the table: set when the volume was unmounted, and when no disk error was met. */
const CLEAN = { 16: 0x8000, 32: 0x0800_0000 } as const;
const NO_ERRORS = { 16: 0x4000, 32: 0x0400_0000 } as const;
/** In the boot sector: set by Linux while the volume is mounted (linux/msdos_fs.h, FAT_STATE_DIRTY). */
const STATE_DIRTY = 1;
/** A multiple of 12 (8 entries of FAT12) and of 32. */
const PIECE_BYTES = 96 * 1024;

/**
 * The free clusters of a FAT12, FAT16 or FAT32 volume, from its table.
 *
 * Source: Microsoft, "FAT32 File System Specification" 1.03; linux/fs/fat/inode.c for volumes that break it.
 */
export async function readFatFreeSpace(volume: Volume): Promise<FreeSpace> {
  const boot = await volume.read(0, 512);
  const shape = fatShapeOf(boot, volume.sizeBytes);
  const problem = await problemOf(volume, boot, shape);
  if (problem !== undefined) {
    const fix = 'run "fsck.fat -a" on it (Windows: "chkdsk /f"), or start the machine and shut it down';
    return { state: "dirty", problem, fix };
  }
  const { dataAt, clusterBytes, clusters } = shape;
  // As if the two entries in front of cluster 2 were clusters, too.
  const startBytes = volume.startBytes + dataAt - FIRST_CLUSTER * clusterBytes;
  const blocks = clusters + FIRST_CLUSTER;
  return {
    state: "known",
    ranges: freeRangesOf(usedClusters(volume, shape), { startBytes, blockBytes: clusterBytes, blocks }),
  };
}

async function problemOf(volume: Volume, boot: Buffer, { bits, tableAt }: FatShape): Promise<string | undefined> {
  const state = boot.readUInt8(bits === 32 ? 65 : 37);
  if ((state & STATE_DIRTY) !== 0) return "was not unmounted";
  if (bits === 12) return undefined;
  const second = await volume.read(tableAt + bits / 8, bits / 8);
  const entry = bits === 32 ? second.readUInt32LE() : second.readUInt16LE();
  if ((entry & CLEAN[bits]) === 0) return "was not unmounted";
  return (entry & NO_ERRORS[bits]) === 0 ? "met errors of its disk" : undefined;
}

/** The table as a bitmap: one bit an entry. The two that are no clusters, and bad clusters, count as used. */
async function* usedClusters(volume: Volume, { bits, tableAt, clusters }: FatShape): AsyncGenerator<Uint8Array> {
  const entriesAPiece = (PIECE_BYTES * 8) / bits;
  const entries = clusters + FIRST_CLUSTER;
  for (let first = 0; first < entries; first += entriesAPiece) {
    const count = Math.min(entriesAPiece, entries - first);
    const table = await volume.read(tableAt + (first * bits) / 8, Math.ceil((count * bits) / 8));
    const used = new Uint8Array(Math.ceil(count / 8));
    for (let entry = 0; entry < count; entry += 1)
      if (first + entry < FIRST_CLUSTER || entryAt(table, entry, bits) !== 0) used[entry >> 3]! |= 1 << (entry & 7);
    yield used;
  }
}

function entryAt(table: Buffer, entry: number, bits: FatShape["bits"]): number {
  if (bits === 32) return table.readUInt32LE(entry * 4) & 0x0fff_ffff;
  if (bits === 16) return table.readUInt16LE(entry * 2);
  const at = (entry * 3) >> 1;
  const pair = table[at]! | ((table[at + 1] ?? 0) << 8);
  return (entry & 1) === 0 ? pair & 0xfff : pair >> 4;
}
