import type { BlockSource, BlockTarget } from "../block.ts";
import { type FatShape, FIRST_CLUSTER, fatShapeOf, MOST_CLUSTERS } from "../free-space/fat-shape.ts";

/** What is moved at a time. */
const PIECE_BYTES = 4 * 1024 * 1024;
const MOST_SECTORS = 2 ** 32 - 1;
const MOST_SHORT = 0xffff;
const UNKNOWN = 0xffff_ffff;
const SIGNATURE_AT = 510;
/** One sector of the largest size that FAT knows. */
const LARGEST_SECTOR_BYTES = 4096;

/** How large a FAT volume becomes, and how long its tables. */
export type FatGrowth = { readonly sectors: number; readonly tableSectors: number };

/** A volume in its grown partition, by its own places. */
export type FatVolume = BlockSource & BlockTarget;

/** The largest partition that a FAT volume can fill: the entries of its table have so many bits. */
export function mostFatBytes(shape: FatShape): number {
  const { sectors } = growthTo(shape, MOST_SECTORS, MOST_CLUSTERS[shape.bits]);
  return sectors * shape.sectorBytes;
}

/** How a volume fills a partition of `sizeBytes`. */
export function fatGrowth(shape: FatShape, sizeBytes: number): FatGrowth {
  return growthTo(shape, Math.min(MOST_SECTORS, Math.floor(sizeBytes / shape.sectorBytes)), MOST_CLUSTERS[shape.bits]);
}

function growthTo(shape: FatShape, mostSectors: number, mostClusters: number): FatGrowth {
  const { bits, sectorBytes, reservedSectors, tables, rootSectors, clusterSectors } = shape;
  const tableOf = (clusters: number) => Math.ceil(Math.ceil(((clusters + FIRST_CLUSTER) * bits) / 8) / sectorBytes);
  // Clusters stay on their boundaries when the tables grow by whole clusters.
  const aligned = (tableSectors: number) => {
    let longer = Math.max(tableSectors, shape.tableSectors);
    while (((longer - shape.tableSectors) * tables) % clusterSectors !== 0) longer += 1;
    return longer;
  };
  let clusters = shape.clusters;
  let tableSectors = shape.tableSectors;
  // A longer table leaves less for clusters; from above it settles at once or in a few steps.
  for (let wanted = Math.min(mostClusters, Math.floor(mostSectors / clusterSectors)); wanted > shape.clusters; ) {
    const table = aligned(tableOf(wanted));
    const dataSector = reservedSectors + tables * table + rootSectors;
    const room = Math.min(mostClusters, Math.floor((mostSectors - dataSector) / clusterSectors));
    if (room >= wanted) {
      clusters = wanted;
      tableSectors = table;
      break;
    }
    wanted = room;
  }
  const sectors = reservedSectors + tables * tableSectors + rootSectors + clusters * clusterSectors;
  return clusters === shape.clusters ? { sectors: shape.sectors, tableSectors } : { sectors, tableSectors };
}

/**
 * Makes a FAT volume fill its partition. The tables become longer, so everything behind them moves; the numbers of
 * clusters stay the same, so no directory and no file changes.
 *
 * What is cut in two by a power failure on the way is no FAT volume, and does not look like one: the first sector is
 * wiped before, and written when all the rest is on the disk.
 *
 * @throws {Implausible} when it is none
 */
export async function growFat(volume: FatVolume, sizeBytes: number): Promise<void> {
  const boot = Buffer.from(await volume.read(0, LARGEST_SECTOR_BYTES));
  const shape = fatShapeOf(boot, sizeBytes);
  const { sectors, tableSectors } = fatGrowth(shape, sizeBytes);
  if (sectors === shape.sectors) return;
  const { sectorBytes, reservedSectors, tables } = shape;
  const tablesAt = reservedSectors * sectorBytes;
  const oldBytes = shape.tableSectors * sectorBytes;
  const newBytes = tableSectors * sectorBytes;
  const usedEnd = await endOfData(volume, shape);

  await volume.write(0, Buffer.alloc(sectorBytes));
  await volume.flush();
  await moveUp(volume, tablesAt + tables * oldBytes, usedEnd, tables * (newBytes - oldBytes));
  // The last copy first: none of them lies where the first one is read from.
  for (let copy = tables - 1; copy >= 0; copy -= 1) {
    await writeTable(volume, shape, tablesAt + copy * newBytes, newBytes);
  }
  const grown = grownBoot(boot, shape, { sectors, tableSectors });
  if (shape.bits === 32) await writeReserved(volume, grown, shape);
  await volume.flush();
  await volume.write(0, grown);
  await volume.flush();
}

/** The first byte behind the last cluster that is in use. */
async function endOfData(volume: FatVolume, shape: FatShape): Promise<number> {
  const { bits, tableAt, dataAt, clusters, clusterBytes } = shape;
  const tableBytes = Math.ceil(((clusters + FIRST_CLUSTER) * bits) / 8);
  // From the end: the first piece with anything in it tells.
  for (let end = tableBytes; end > 0; end -= PIECE_BYTES) {
    const at = Math.max(0, end - PIECE_BYTES);
    const piece = await volume.read(tableAt + at, end - at);
    const last = piece.findLastIndex((byte) => byte !== 0);
    if (last < 0) continue;
    // Of an entry that shares this byte, the higher one.
    const entry = Math.floor(((at + last) * 8 + 7) / bits);
    const inUse = Math.min(clusters, Math.max(0, entry - FIRST_CLUSTER + 1));
    return dataAt + inUse * clusterBytes;
  }
  return dataAt;
}

/** From the end, so that nothing is overwritten before it was read. */
async function moveUp(volume: FatVolume, from: number, end: number, by: number): Promise<void> {
  for (let stop = end; stop > from; ) {
    const at = Math.max(from, stop - PIECE_BYTES);
    const piece = Buffer.from(await volume.read(at, stop - at));
    await volume.write(at + by, piece);
    stop = at;
  }
}

/** One copy of the table at its new place: the entries there are, and zeros behind them. */
async function writeTable(volume: FatVolume, shape: FatShape, to: number, lengthBytes: number): Promise<void> {
  const { bits, tableAt, clusters } = shape;
  const entriesBytes = Math.ceil(((clusters + FIRST_CLUSTER) * bits) / 8);
  for (let at = 0; at < lengthBytes; at += PIECE_BYTES) {
    const piece = Buffer.alloc(Math.min(PIECE_BYTES, lengthBytes - at));
    const there = Math.min(piece.length, entriesBytes - at);
    if (there > 0) piece.set(await volume.read(tableAt + at, there));
    // An odd number of entries of 12 bits ends in the middle of a byte.
    const isCut = bits === 12 && (clusters + FIRST_CLUSTER) % 2 === 1;
    if (isCut && there > 0 && at + there === entriesBytes) piece[there - 1]! &= 0x0f;
    await volume.write(to + at, piece);
  }
}

function grownBoot(boot: Buffer, { bits, sectorBytes }: FatShape, { sectors, tableSectors }: FatGrowth): Buffer {
  const grown = Buffer.from(boot.subarray(0, sectorBytes));
  const isShort = bits !== 32 && sectors <= MOST_SHORT;
  grown.writeUInt16LE(isShort ? sectors : 0, 19);
  grown.writeUInt32LE(isShort ? 0 : sectors, 32);
  if (bits === 32) grown.writeUInt32LE(tableSectors, 36);
  else grown.writeUInt16LE(tableSectors, 22);
  return grown;
}

/** FAT32 keeps how many clusters are free, and a copy of its first sectors. */
async function writeReserved(volume: FatVolume, grown: Buffer, { sectorBytes, reservedSectors }: FatShape) {
  const infoSector = grown.readUInt16LE(48);
  const copySector = grown.readUInt16LE(50);
  const isThere = (sector: number) => sector > 0 && sector < reservedSectors;
  const copies = isThere(copySector) ? [0, copySector] : [0];
  for (const first of copies) {
    const sector = first + infoSector;
    if (!isThere(infoSector) || !isThere(sector)) continue;
    const info = Buffer.from(await volume.read(sector * sectorBytes, sectorBytes));
    if (info.readUInt32LE(0) !== 0x4161_5252 || info.readUInt16LE(SIGNATURE_AT) !== 0xaa55) continue;
    // The one who mounts it counts.
    info.writeUInt32LE(UNKNOWN, 488);
    await volume.write(sector * sectorBytes, info);
  }
  if (isThere(copySector)) await volume.write(copySector * sectorBytes, grown);
}
