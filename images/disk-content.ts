import { Fault } from "../fault.ts";
import type { BlockSource } from "./block.ts";
import { raidTypes } from "./disk-fit/partition-kinds.ts";
import { FILE_SYSTEM_PROBE_BYTES, fileSystemOf } from "./file-system.ts";
import type { Partition } from "./manifest.ts";
import { readDiskLayout } from "./partition-table.ts";
import { volumeLabel } from "./volume-label.ts";

/** Something that was found on a disk. */
export type Content = {
  /** The partition's number; 0: it fills the disk, or is no partition's. */
  readonly number: number;
  /**
   * As `fileSystemOf` says it, and what it does not see: "apfs-encrypted" (FileVault), "corestorage", "raid" (Linux,
   * Intel, DDF, Apple, Storage Spaces), "zfs", "ldm" (Windows' dynamic disks), "damaged" (the partition table).
   * Empty: nothing that we know.
   */
  readonly kind: string;
  /** The volume's name, else the partition's; without control characters. */
  readonly label: string;
};

/** More partitions than people make; a made-up table does not take for ever. */
const MOST_PARTITIONS = 128;

/**
 * What is on a disk, for people and for the decision whether it may be erased: every partition, and the marks that
 * RAID controllers leave at a disk's end. Reads about 200 KiB a partition.
 *
 * @param sectorBytes what the device says
 * @throws what reading throws
 */
export async function readDiskContent(source: BlockSource, sectorBytes: number): Promise<Content[]> {
  const contents: Content[] = [];
  if (await hasControllerMark(source, sectorBytes)) contents.push({ number: 0, kind: "raid", label: "" });
  let layout: Awaited<ReturnType<typeof readDiskLayout>>;
  try {
    layout = await readDiskLayout(source, sectorBytes);
  } catch (error) {
    if (!(error instanceof Fault) || !["GPT_DAMAGED", "PARTITION_OUTSIDE"].includes(error.code)) throw error;
    return [...contents, { number: 0, kind: "damaged", label: "" }];
  }
  if (layout.scheme === "none") {
    const probe = await source.read(0, Math.min(FILE_SYSTEM_PROBE_BYTES, source.sizeBytes));
    const kind = await kindOf(source, 0, source.sizeBytes, fileSystemOf(probe), "");
    const isBlank = kind === "" && probe.every((byte) => byte === 0);
    if (!isBlank) contents.push({ number: 0, kind, label: await volumeLabel(source, 0, kind) });
    return contents;
  }
  for (const { number, startBytes, sizeBytes, type, label, fileSystem } of layout.partitions.slice(
    0,
    MOST_PARTITIONS,
  )) {
    const kind = await kindOf(source, startBytes, sizeBytes, fileSystem, type);
    const named = await volumeLabel(source, startBytes, kind);
    contents.push({ number, kind, label: named || label.replaceAll(/\p{Cc}/gu, "").trim() });
  }
  return contents;
}

/** What types of partitions say that their content does not; GPT (UEFI 2.10; TN2166; Microsoft's PARTITION_INFORMATION_GPT). */
const kindByType: Readonly<Record<string, string>> = {
  "53746F72-6167-11AA-AA11-00306543ECAC": "corestorage",
  "52414944-0000-11AA-AA11-00306543ECAC": "raid",
  "52414944-5F4F-11AA-AA11-00306543ECAC": "raid",
  "E75CAF8F-F680-4CEE-AFA3-B001E56EFC2D": "raid",
  "5808C8AA-7E8F-42E0-85D2-E1E90434CFB3": "ldm",
  "AF9B60A0-1431-4F62-BC68-3311714A69AD": "ldm",
  "42": "ldm",
};

/**
 * Whether a partition of an image is what was found, as far as its type and its first bytes tell: a manifest knows no
 * more of it.
 *
 * @param kind of `Content`
 */
export function canHold({ type, fileSystem }: Pick<Partition, "type" | "fileSystem">, kind: string): boolean {
  const byType = Object.hasOwn(kindByType, type) ? kindByType[type] : undefined;
  if (byType !== undefined) return kind === byType;
  if (kind === "apfs-encrypted") return fileSystem === "apfs";
  if (kind === "zfs") return fileSystem === "";
  if (kind === "raid" && raidTypes.includes(type.toUpperCase())) return true;
  return kind === fileSystem;
}

async function kindOf(
  source: BlockSource,
  startBytes: number,
  sizeBytes: number,
  fileSystem: string,
  type: string,
): Promise<string> {
  const byType = Object.hasOwn(kindByType, type) ? kindByType[type] : undefined;
  if (byType !== undefined) return byType;
  if (fileSystem === "apfs") return (await hasApfsKeys(source, startBytes, sizeBytes)) ? "apfs-encrypted" : "apfs";
  if (await hasRaidMark(source, startBytes, sizeBytes)) return "raid";
  if (fileSystem === "" && (await hasZfsMark(source, startBytes, sizeBytes))) return "zfs";
  return fileSystem;
}

const MD_MAGIC = "fc4e2ba9";

/** Linux RAID with its mark at the end: versions 0.90 and 1.0 (md(4)). Those at the beginning `fileSystemOf` sees. */
async function hasRaidMark(source: BlockSource, startBytes: number, sizeBytes: number): Promise<boolean> {
  const old = Math.floor(sizeBytes / 65_536) * 65_536 - 65_536;
  const newer = Math.floor((Math.floor(sizeBytes / 512) - 16) / 8) * 4096;
  for (const at of [old, newer]) {
    if (at <= 0) continue;
    const mark = Buffer.from(await source.read(startBytes + at, 4));
    if (mark.toString("hex") === MD_MAGIC) return true;
  }
  return false;
}

/** Marks of Intel's controllers and of the industry's common format in the last two sectors (libblkid isw_raid.c, ddf_raid.c). */
async function hasControllerMark(source: BlockSource, sectorBytes: number): Promise<boolean> {
  if (source.sizeBytes < 4 * sectorBytes) return false;
  const end = Buffer.from(await source.read(source.sizeBytes - 2 * sectorBytes, 2 * sectorBytes));
  const isIntel = end.toString("latin1", 0, 24) === "Intel Raid ISM Cfg Sig. ";
  return isIntel || end.toString("hex", sectorBytes, sectorBytes + 4) === "de11de11";
}

const APFS_KEY_COUNT_AT = 1304;

/** Whether the container has keys of volumes (nx_keylocker.pr_block_count, Apple File System Reference). */
async function hasApfsKeys(source: BlockSource, startBytes: number, sizeBytes: number): Promise<boolean> {
  if (sizeBytes < 4096) return false;
  const superblock = Buffer.from(await source.read(startBytes, 4096));
  return superblock.readBigUInt64LE(APFS_KEY_COUNT_AT) !== 0n;
}

const ZFS_RING_AT = 128 * 1024;
const ZFS_MAGIC = ["0cb1ba0000000000", "0000000000bab10c"];

/** Any uberblock of the first label (ZFS On-Disk Specification, 1.2). */
async function hasZfsMark(source: BlockSource, startBytes: number, sizeBytes: number): Promise<boolean> {
  if (sizeBytes < 2 * ZFS_RING_AT) return false;
  const ring = Buffer.from(await source.read(startBytes + ZFS_RING_AT, ZFS_RING_AT));
  for (let at = 0; at < ring.length; at += 1024) if (ZFS_MAGIC.includes(ring.toString("hex", at, at + 8))) return true;
  return false;
}
