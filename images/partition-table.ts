import { Fault } from "../fault.ts";
import { readAppleMap } from "./apple-map.ts";
import type { BlockSource, ByteRange } from "./block.ts";
import { CELL_BYTES } from "./cell.ts";
import { FILE_SYSTEM_PROBE_BYTES, fileSystemOf, isBootSectorOfFileSystem } from "./file-system.ts";
import { type Gpt, readGpt } from "./gpt.ts";
import type { Partition, PartitionScheme } from "./manifest.ts";
import { decodeMbr, MBR_BYTES, type MbrEntry, PROTECTIVE_TYPE, readMbrPartitions } from "./mbr.ts";

/** How a disk is divided, and where on it that is written. */
export type DiskLayout = {
  readonly scheme: PartitionScheme;
  readonly sectorBytes: number;
  readonly partitions: readonly Partition[];
  /** The bytes that make the disk look partitioned: first sector, GPT, its second copy. Logical partitions hang on the first sector. */
  readonly tableRanges: readonly ByteRange[];
  /** What people should know, one sentence each. */
  readonly warnings: readonly string[];
};

/**
 * Reads the partition table and recognises what is in each partition.
 *
 * A GPT counts only with an entry of type 0xEE in the MBR, as for firmware and
 * kernels (UEFI 2.10, 5.2.3); the partitions of a hybrid MBR are those of the GPT.
 * Apple's map counts where the first sector is no MBR with partitions, as for Linux.
 * The sector size is that at which the GPT is found, else `sectorBytes`.
 *
 * @param sectorBytes what the device says, or 512 for a file
 * @throws {Fault} GPT_DAMAGED when neither copy can be read, PARTITION_OUTSIDE when one does not lie on the disk
 */
export async function readDiskLayout(source: BlockSource, sectorBytes = 512): Promise<DiskLayout> {
  const start = await source.read(0, Math.min(FILE_SYSTEM_PROBE_BYTES, source.sizeBytes));
  const mbr = decodeMbr(start.subarray(0, MBR_BYTES));
  const primary = mbr ?? [];
  const isNoTable = isBootSectorOfFileSystem(start) && !fits(primary, source, sectorBytes);
  if (primary.length > 0 && !isNoTable) {
    const isGpt = primary.some(({ type }) => type === PROTECTIVE_TYPE);
    return isGpt ? readGptLayout(source, primary, sectorBytes) : readMbrLayout(source, primary, sectorBytes);
  }
  const apple = await readAppleLayout(source);
  if (apple !== undefined) return apple;
  const isEmptyTable = mbr !== undefined && mbr.length === 0 && fileSystemOf(start) === "";
  return isEmptyTable ? readMbrLayout(source, [], sectorBytes) : readWholeDisk(source, start, sectorBytes);
}

/** A disk without partitions: one file system, or something else. */
async function readWholeDisk(source: BlockSource, start: Uint8Array, sectorBytes: number): Promise<DiskLayout> {
  const warnings: string[] = [];
  if (fileSystemOf(start) === "") {
    const { primary, backup } = await findGpt(source, sectorBytes);
    if (primary !== undefined || backup !== undefined)
      warnings.push(
        "There is a GPT on this disk, but its first sector says nothing of it (no protective MBR): firmware and systems see no partitions, and neither are they read here.",
      );
  }
  const tableRanges = [{ startBytes: 0, endBytes: Math.min(sectorBytes, source.sizeBytes) }];
  return { scheme: "none", sectorBytes, partitions: [], tableRanges, warnings };
}

async function readMbrLayout(
  source: BlockSource,
  primary: readonly MbrEntry[],
  sectorBytes: number,
): Promise<DiskLayout> {
  // The container of the logical partitions is not listed, but it must not be cut off either.
  for (const { number, startSector, sectors } of primary)
    if ((startSector + sectors) * sectorBytes > source.sizeBytes) throw outside(number, source.sizeBytes);
  const { entries, isChainBroken } = await readMbrPartitions(source, primary, sectorBytes);
  const found = entries.map(({ number, type, startSector, sectors }) => ({
    number,
    startBytes: startSector * sectorBytes,
    sizeBytes: sectors * sectorBytes,
    type: type.toString(16).padStart(2, "0"),
    label: "",
  }));
  const partitions = await withFileSystems(source, found);
  const warnings = isChainBroken
    ? ["The chain of logical partitions is broken: behind the last one that is listed there may be others."]
    : [];
  return { scheme: "mbr", sectorBytes, partitions, tableRanges: [{ startBytes: 0, endBytes: sectorBytes }], warnings };
}

async function readAppleLayout(source: BlockSource): Promise<DiskLayout | undefined> {
  const map = await readAppleMap(source);
  if (map === undefined) return undefined;
  // Free stretches and the map itself are no partitions to anybody.
  const found = map.entries.filter(({ type }) => type !== "Apple_Free" && type !== "Apple_partition_map");
  const warnings = map.hasDriverMap
    ? []
    : [
        "The disk has Apple's partition map, but no driver descriptor map in front of it: only Macs see its partitions.",
      ];
  return {
    scheme: "apm",
    sectorBytes: map.blockBytes,
    partitions: await withFileSystems(
      source,
      found.filter(({ sizeBytes }) => sizeBytes > 0),
    ),
    tableRanges: map.ranges,
    warnings,
  };
}

/** The cells that any of `ranges` touches, ascending. */
export function cellsOfRanges(ranges: readonly ByteRange[]): number[] {
  const cells = new Set<number>();
  for (const { startBytes, endBytes } of ranges)
    for (let cell = Math.floor(startBytes / CELL_BYTES); cell * CELL_BYTES < endBytes; cell += 1) cells.add(cell);
  return [...cells].sort((a, b) => a - b);
}

async function readGptLayout(
  source: BlockSource,
  mbr: readonly MbrEntry[],
  deviceSectorBytes: number,
): Promise<DiskLayout> {
  const { primary, backup } = await findGpt(source, deviceSectorBytes);
  const gpt = primary ?? backup;
  if (gpt === undefined) throw damagedGpt();
  const warnings: string[] = [];
  const repair = 'Both are imaged as they are; "gdisk" repairs the one (commands r, then b or d, then w).';
  if (primary === undefined) warnings.push(`The first copy of the GPT is damaged; the second one was read. ${repair}`);
  if (backup === undefined) warnings.push(`The second copy of the GPT is missing or damaged. ${repair}`);
  const strangers = mbr.filter((entry) => !isInGpt(entry, gpt));
  for (const { number, type } of strangers)
    warnings.push(
      `Entry ${number} of the MBR (type ${type.toString(16).padStart(2, "0")}) is no partition of the GPT (a hybrid MBR that does not fit). It is imaged as it is; what lies there is kept.`,
    );
  const ranges = [...(primary?.ranges ?? []), ...(backup?.ranges ?? [])];
  return {
    scheme: "gpt",
    sectorBytes: gpt.sectorBytes,
    partitions: await withFileSystems(source, gpt.entries),
    tableRanges: [{ startBytes: 0, endBytes: gpt.sectorBytes }, ...ranges],
    warnings,
  };
}

/** True for the protective entry, and for those that show a partition of the GPT to systems that know only the MBR. */
function isInGpt({ type, startSector, sectors }: MbrEntry, { entries, sectorBytes }: Gpt): boolean {
  if (type === PROTECTIVE_TYPE) return true;
  return entries.some(
    ({ startBytes, sizeBytes }) => startBytes === startSector * sectorBytes && sizeBytes === sectors * sectorBytes,
  );
}

async function findGpt(source: BlockSource, deviceSectorBytes: number): Promise<{ primary?: Gpt; backup?: Gpt }> {
  for (const sectorBytes of new Set([deviceSectorBytes, 512, 4096])) {
    const primary = await readGpt(source, sectorBytes, sectorBytes);
    // A file that grew after it was partitioned has its second copy where the first one says, not at its end.
    const backupAt = primary?.otherHeaderBytes ?? source.sizeBytes - sectorBytes;
    const backup = await readGpt(source, backupAt, sectorBytes);
    if (primary !== undefined || backup !== undefined)
      return { ...(primary && { primary }), ...(backup && { backup }) };
  }
  return {};
}

async function withFileSystems(
  source: BlockSource,
  found: readonly Omit<Partition, "fileSystem">[],
): Promise<Partition[]> {
  const partitions: Partition[] = [];
  for (const partition of found) {
    const { startBytes, sizeBytes, number } = partition;
    if (sizeBytes <= 0 || startBytes + sizeBytes > source.sizeBytes) throw outside(number, source.sizeBytes);
    const probe = await source.read(startBytes, Math.min(FILE_SYSTEM_PROBE_BYTES, sizeBytes));
    partitions.push({ ...partition, fileSystem: fileSystemOf(probe) });
  }
  return partitions;
}

function fits(entries: readonly { startSector: number; sectors: number }[], source: BlockSource, sectorBytes: number) {
  return entries.every(
    ({ startSector, sectors }) => startSector > 0 && (startSector + sectors) * sectorBytes <= source.sizeBytes,
  );
}

function damagedGpt(): Fault {
  return new Fault("GPT_DAMAGED", {
    what: "The disk's partition table (GPT) is damaged.",
    why: "The first sector says that there is one, but the checksum of neither copy fits.",
    fix: 'Repair it on the source, for instance with "gdisk" (commands r, then b or d), and import again.',
  });
}

function outside(number: number, sizeBytes: number): Fault {
  return new Fault("PARTITION_OUTSIDE", {
    what: `Partition ${number} ends behind the end of the disk image (${sizeBytes} bytes).`,
    why: "The file is shorter than the disk that it was made from: a copy was cut off.",
    fix: "Copy the whole disk again, then import it.",
  });
}
