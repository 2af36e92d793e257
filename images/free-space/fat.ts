import { freeRangesOf } from "./bitmap.ts";
import { expect, type FreeSpace, type Volume } from "./volume.ts";

const FIRST_CLUSTER = 2;
/** More clusters than this need more than 12 or 16 bits (Microsoft, FAT specification 1.03, section 3.5). */
const MOST_FAT12 = 4084;
const MOST_FAT16 = 65524;
const MOST_FAT32 = 0x0fff_fff5;
/** In the second entry of the table: set when the volume was unmounted, and when no disk error was met. */
const CLEAN = { 16: 0x8000, 32: 0x0800_0000 } as const;
const NO_ERRORS = { 16: 0x4000, 32: 0x0400_0000 } as const;
/** In the boot sector: set by Linux while the volume is mounted (linux/msdos_fs.h, FAT_STATE_DIRTY). */
const STATE_DIRTY = 1;
/** A multiple of 12 (8 entries of FAT12) and of 32. */
const PIECE_BYTES = 96 * 1024;

type Shape = {
  readonly bits: 12 | 16 | 32;
  readonly tableAt: number;
  readonly dataAt: number;
  readonly clusterBytes: number;
  readonly clusters: number;
};

/**
 * The free clusters of a FAT12, FAT16 or FAT32 volume, from its table.
 *
 * Source: Microsoft, "FAT32 File System Specification" 1.03; linux/fs/fat/inode.c for volumes that break it.
 */
export async function readFatFreeSpace(volume: Volume): Promise<FreeSpace> {
  const boot = await volume.read(0, 512);
  const shape = shapeOf(boot, volume.sizeBytes);
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

function shapeOf(boot: Buffer, sizeBytes: number): Shape {
  const sectorBytes = boot.readUInt16LE(11);
  const clusterSectors = boot.readUInt8(13);
  const tables = boot.readUInt8(16);
  const shortTableSectors = boot.readUInt16LE(22);
  const tableSectors = shortTableSectors || boot.readUInt32LE(36);
  const sectors = boot.readUInt16LE(19) || boot.readUInt32LE(32);
  expect([512, 1024, 2048, 4096].includes(sectorBytes), "its sector size is impossible");
  expect(clusterSectors > 0 && (clusterSectors & (clusterSectors - 1)) === 0, "its cluster size is impossible");
  expect(tables >= 1 && tables <= 4 && tableSectors > 0, "it has no table");
  expect(sectors * sectorBytes <= sizeBytes, "it is larger than its partition");
  const rootSectors = Math.ceil((boot.readUInt16LE(17) * 32) / sectorBytes);
  const dataSector = boot.readUInt16LE(14) + tables * tableSectors + rootSectors;
  const clusters = Math.floor((sectors - dataSector) / clusterSectors);
  expect(clusters > 0, "it has no clusters");
  // A short FAT32, which no specification allows and mkfs.fat makes, is told by its table's length as in Linux.
  const bits = shortTableSectors === 0 ? 32 : clusters > MOST_FAT12 ? 16 : 12;
  expect(clusters <= (bits === 32 ? MOST_FAT32 : MOST_FAT16), "it has too many clusters");
  const tableBytes = Math.ceil(((clusters + FIRST_CLUSTER) * bits) / 8);
  expect(tableBytes <= tableSectors * sectorBytes, "its table is too short");
  // FAT32 may keep only one of its tables up to date (section 3.1, BPB_ExtFlags).
  const flags = bits === 32 ? boot.readUInt16LE(40) : 0;
  const activeTable = (flags & 0x80) === 0 ? 0 : flags & 0xf;
  expect(activeTable < tables, "its active table is none");
  return {
    bits,
    tableAt: (boot.readUInt16LE(14) + activeTable * tableSectors) * sectorBytes,
    dataAt: dataSector * sectorBytes,
    clusterBytes: clusterSectors * sectorBytes,
    clusters,
  };
}

async function problemOf(volume: Volume, boot: Buffer, { bits, tableAt }: Shape): Promise<string | undefined> {
  const state = boot.readUInt8(bits === 32 ? 65 : 37);
  if ((state & STATE_DIRTY) !== 0) return "was not unmounted";
  if (bits === 12) return undefined;
  const second = await volume.read(tableAt + bits / 8, bits / 8);
  const entry = bits === 32 ? second.readUInt32LE() : second.readUInt16LE();
  if ((entry & CLEAN[bits]) === 0) return "was not unmounted";
  return (entry & NO_ERRORS[bits]) === 0 ? "met errors of its disk" : undefined;
}

/** The table as a bitmap: one bit an entry. The two that are no clusters, and bad clusters, count as used. */
async function* usedClusters(volume: Volume, { bits, tableAt, clusters }: Shape): AsyncGenerator<Uint8Array> {
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

function entryAt(table: Buffer, entry: number, bits: Shape["bits"]): number {
  if (bits === 32) return table.readUInt32LE(entry * 4) & 0x0fff_ffff;
  if (bits === 16) return table.readUInt16LE(entry * 2);
  const at = (entry * 3) >> 1;
  const pair = table[at]! | ((table[at + 1] ?? 0) << 8);
  return (entry & 1) === 0 ? pair & 0xfff : pair >> 4;
}
