import { readAppleMap } from "../apple-map.ts";
import type { BlockSource } from "../block.ts";
import { FILE_SYSTEM_PROBE_BYTES, fileSystemOf, isBootSectorOfFileSystem } from "../file-system.ts";
import { type Gpt, readGpt } from "../gpt.ts";
import { decodeMbr, MBR_BYTES, type MbrEntry, PROTECTIVE_TYPE, readMbrPartitions } from "../mbr.ts";
import { SECTOR_BYTES } from "./numbers.ts";
import { appleFileSystems, gptTypes, mbrTypes } from "./write-names.ts";

/** A part of a disk that gets a table of its own in a .dmg. Together they are the whole disk. */
export type DiskArea = {
  /** As hdiutil names it: "disk image (Apple_HFS : 4)". */
  readonly name: string;
  /** The `ID` in the property list: -1 for the first area of a disk, 0 for a volume. */
  readonly id: number;
  /** The number in the table itself. */
  readonly descriptor: number;
  readonly firstSector: number;
  readonly sectorCount: number;
  /** No partition. It may hold something all the same: boot loaders lie there. */
  readonly isFree: boolean;
};

export type DiskAreas = { readonly kind: "disk" | "volume"; readonly areas: readonly DiskArea[] };

/** A place that the partition map gives a meaning, in bytes. */
type Found = { readonly label: string; readonly type: string; readonly startBytes: number; readonly endBytes: number };

const FREE = "Apple_Free";
const UNKNOWN = "unknown partition";
const WHOLE_DISK = 0xfffffffe;

/**
 * Cuts a disk as hdiutil does: GPT, Apple's partition map, MBR, or one volume.
 * Never fails: what overlaps is cut off, what cannot be read is one unknown volume.
 */
export async function areasOfDisk(source: BlockSource): Promise<DiskAreas> {
  const start = Buffer.from(await source.read(0, Math.min(FILE_SYSTEM_PROBE_BYTES, source.sizeBytes)));
  const mbr = decodeMbr(start.subarray(0, MBR_BYTES));
  if (mbr?.some(({ type }) => type === PROTECTIVE_TYPE)) {
    const gpt = await gptPlaces(source);
    if (gpt !== undefined) return { kind: "disk", areas: cut(gpt, source.sizeBytes, 0) };
  }
  const apple = await applePlaces(source);
  // Apple's tables are numbered from -1 on: the first sector is none of the map's entries.
  if (apple !== undefined) return { kind: "disk", areas: cut(apple, source.sizeBytes, -1) };
  if (mbr !== undefined && mbr.length > 0 && isPartitioned(mbr, start, source.sizeBytes))
    return { kind: "disk", areas: cut(await mbrPlaces(source, mbr), source.sizeBytes, 0) };
  const name = `whole disk (${volumeType(start)} : 0)`;
  const sectorCount = source.sizeBytes / SECTOR_BYTES;
  return {
    kind: "volume",
    areas: [{ name, id: 0, descriptor: WHOLE_DISK, firstSector: 0, sectorCount, isFree: false }],
  };
}

async function gptPlaces(source: BlockSource): Promise<Found[] | undefined> {
  for (const sectorBytes of [512, 4096]) {
    const primary = await readGpt(source, sectorBytes, sectorBytes);
    const backup = await readGpt(source, primary?.otherHeaderBytes ?? source.sizeBytes - sectorBytes, sectorBytes);
    const gpt = primary ?? backup;
    if (gpt === undefined) continue;
    return [
      { label: "Protective Master Boot Record", type: "MBR", startBytes: 0, endBytes: sectorBytes },
      ...(primary === undefined ? [] : copyPlaces(primary, "Primary")),
      ...gpt.entries.map(({ label, type, startBytes, sizeBytes }) => ({
        label,
        type: gptTypes[type] ?? type,
        startBytes,
        endBytes: startBytes + sizeBytes,
      })),
      ...(backup === undefined ? [] : copyPlaces(backup, "Backup")),
    ];
  }
  return undefined;
}

function copyPlaces({ ranges, sectorBytes }: Gpt, which: "Primary" | "Backup"): Found[] {
  const [header, entries] = ranges;
  const endBytes = Math.ceil(entries!.endBytes / sectorBytes) * sectorBytes;
  return [
    { label: "GPT Header", type: `${which} GPT Header`, ...header! },
    { label: "GPT Partition Data", type: `${which} GPT Table`, startBytes: entries!.startBytes, endBytes },
  ];
}

async function applePlaces(source: BlockSource): Promise<Found[] | undefined> {
  const map = await readAppleMap(source);
  if (map === undefined) return undefined;
  const driverMap = { label: "Driver Descriptor Map", type: "DDM", startBytes: 0, endBytes: map.blockBytes };
  const entries = map.entries.map(({ label, type, startBytes, sizeBytes }) => ({
    label,
    type: type || UNKNOWN,
    startBytes,
    endBytes: startBytes + sizeBytes,
  }));
  return [driverMap, ...entries];
}

/** A file system's first sector often ends in the magic of an MBR. */
function isPartitioned(entries: readonly MbrEntry[], start: Buffer, diskBytes: number): boolean {
  if (!isBootSectorOfFileSystem(start)) return true;
  return entries.every(
    ({ startSector, sectors }) => startSector > 0 && (startSector + sectors) * SECTOR_BYTES <= diskBytes,
  );
}

async function mbrPlaces(source: BlockSource, primary: readonly MbrEntry[]): Promise<Found[]> {
  const { entries } = await readMbrPartitions(source, primary, SECTOR_BYTES);
  return [
    { label: "Master Boot Record", type: "MBR", startBytes: 0, endBytes: SECTOR_BYTES },
    ...entries.map(({ type, startSector, sectors }) => ({
      label: "",
      type: mbrTypes[type] ?? UNKNOWN,
      startBytes: startSector * SECTOR_BYTES,
      endBytes: (startSector + sectors) * SECTOR_BYTES,
    })),
  ];
}

function volumeType(start: Buffer): string {
  const fileSystem = fileSystemOf(start);
  if (fileSystem !== "vfat") return appleFileSystems[fileSystem] ?? UNKNOWN;
  const isFat32 = start.toString("latin1", 82, 87) === "FAT32";
  return isFat32 ? "DOS_FAT_32" : `DOS_FAT_${start.toString("latin1", 57, 59)}`;
}

/** Lays the places end to end, with free areas between them. */
function cut(found: readonly Found[], diskBytes: number, firstDescriptor: number): DiskArea[] {
  const areas: DiskArea[] = [];
  const diskSectors = diskBytes / SECTOR_BYTES;
  let at = 0;
  const add = (label: string, type: string, endSector: number) => {
    if (endSector <= at) return;
    const number = areas.length;
    areas.push({
      name: `${label} (${type} : ${number})`,
      id: number - 1,
      descriptor: (firstDescriptor + number) >>> 0,
      firstSector: at,
      sectorCount: endSector - at,
      isFree: type === FREE,
    });
    at = endSector;
  };
  for (const { label, type, startBytes, endBytes } of found.toSorted((a, b) => a.startBytes - b.startBytes)) {
    if (endBytes <= startBytes) continue;
    add("", FREE, Math.min(diskSectors, Math.floor(startBytes / SECTOR_BYTES)));
    add(label, type, Math.min(diskSectors, Math.floor(endBytes / SECTOR_BYTES)));
  }
  add("", FREE, diskSectors);
  return areas;
}
