import { expect } from "./volume.ts";

/** Clusters are counted from here; the two entries in front of it are the table's own. */
export const FIRST_CLUSTER = 2;
/** More clusters than this need more than 12 or 16 bits (Microsoft, FAT specification 1.03, section 3.5). */
const MOST_FAT12 = 4084;
const MOST_FAT16 = 65524;
const MOST_FAT32 = 0x0fff_fff5;

/** The most clusters that entries of so many bits can count. */
export const MOST_CLUSTERS = { 12: MOST_FAT12, 16: MOST_FAT16, 32: MOST_FAT32 } as const;

/** Where everything of a FAT volume lies. Sectors are the volume's own, counted from its beginning. */
export type FatShape = {
  readonly bits: 12 | 16 | 32;
  readonly sectorBytes: number;
  readonly sectors: number;
  /** In front of the tables: boot sector, its copy, free cluster counts. */
  readonly reservedSectors: number;
  readonly tables: number;
  readonly tableSectors: number;
  /** The root directory of FAT12 and FAT16, right behind the tables. */
  readonly rootSectors: number;
  readonly clusterSectors: number;
  readonly clusters: number;
  /** The first of the tables that is kept up to date, and whether all are. */
  readonly activeTable: number;
  readonly isMirrored: boolean;
  /** In bytes: the active table, the first cluster, one cluster. */
  readonly tableAt: number;
  readonly dataAt: number;
  readonly clusterBytes: number;
};

/**
 * @param boot the first 512 bytes
 * @param sizeBytes of the partition
 * @throws {Implausible}
 */
export function fatShapeOf(boot: Buffer, sizeBytes: number): FatShape {
  const sectorBytes = boot.readUInt16LE(11);
  const clusterSectors = boot.readUInt8(13);
  const reservedSectors = boot.readUInt16LE(14);
  const tables = boot.readUInt8(16);
  const shortTableSectors = boot.readUInt16LE(22);
  const tableSectors = shortTableSectors || boot.readUInt32LE(36);
  const sectors = boot.readUInt16LE(19) || boot.readUInt32LE(32);
  expect([512, 1024, 2048, 4096].includes(sectorBytes), "its sector size is impossible");
  expect(clusterSectors > 0 && (clusterSectors & (clusterSectors - 1)) === 0, "its cluster size is impossible");
  expect(tables >= 1 && tables <= 4 && tableSectors > 0, "it has no table");
  expect(sectors * sectorBytes <= sizeBytes, "it is larger than its partition");
  const rootSectors = Math.ceil((boot.readUInt16LE(17) * 32) / sectorBytes);
  const dataSector = reservedSectors + tables * tableSectors + rootSectors;
  const clusters = Math.floor((sectors - dataSector) / clusterSectors);
  expect(clusters > 0, "it has no clusters");
  // A short FAT32, which no specification allows and mkfs.fat makes, is told by its table's length as in Linux.
  const bits = shortTableSectors === 0 ? 32 : clusters > MOST_FAT12 ? 16 : 12;
  expect(clusters <= (bits === 32 ? MOST_FAT32 : MOST_FAT16), "it has too many clusters");
  const tableBytes = Math.ceil(((clusters + FIRST_CLUSTER) * bits) / 8);
  expect(tableBytes <= tableSectors * sectorBytes, "its table is too short");
  // FAT32 may keep only one of its tables up to date (section 3.1, BPB_ExtFlags).
  const flags = bits === 32 ? boot.readUInt16LE(40) : 0;
  const isMirrored = (flags & 0x80) === 0;
  const activeTable = isMirrored ? 0 : flags & 0xf;
  expect(activeTable < tables, "its active table is none");
  return {
    ...{ bits, sectorBytes, sectors, reservedSectors, tables, tableSectors, rootSectors, clusterSectors, clusters },
    ...{ activeTable, isMirrored },
    tableAt: (reservedSectors + activeTable * tableSectors) * sectorBytes,
    dataAt: dataSector * sectorBytes,
    clusterBytes: clusterSectors * sectorBytes,
  };
}
