import type { Partition } from "../manifest.ts";
import type { DiskLayout } from "../partition-table.ts";

/** GPT types (upper case) and MBR types that firmware or a system wants as large as they are. */
const fixedKinds: Readonly<Record<string, string>> = {
  "C12A7328-F81F-11D2-BA4B-00A0C93EC93B": "is the EFI system partition",
  EF: "is the EFI system partition",
  "E3C9E316-0B5C-4DB8-817D-F92DF00215AE": "is reserved by Windows",
  "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC": "is the recovery of Windows, which is found by its place",
  "27": "is the recovery of Windows, which is found by its place",
  "21686148-6449-6E6F-744E-656564454649": "holds a boot loader",
  "9E1A2D38-C612-4316-AA26-8B49521E5A8B": "holds a boot loader",
  "41": "holds a boot loader",
  "BC13C2FF-59E6-4262-A352-B275FD6F7172": "holds kernels alone",
  "426F6F74-0000-11AA-AA11-00306543ECAC": "holds a boot loader",
};

/** The partitions of a GPT that systems find by their GUIDs alone. */
const byNumber: Readonly<Record<string, string>> = {
  "E3C9E316-0B5C-4DB8-817D-F92DF00215AE": "Windows",
  "7C3457EF-0000-11AA-AA11-00306543ECAC": "macOS (APFS)",
  "53746F72-6167-11AA-AA11-00306543ECAC": "macOS (Core Storage)",
};

/** Linux RAID. With its superblock at the end (metadata 0.90, 1.0) a member looks like the file system that it holds. */
export const raidTypes = ["A19D880F-05FC-4D3B-A006-743F0F84911E", "FD"];

const growing = ["ext2", "ext3", "ext4", "xfs", "btrfs", "ntfs", "vfat"];

const unknownGrowth: Readonly<Record<string, string>> = {
  luks: "is encrypted: what is in it cannot be grown without its key",
  bitlocker: "is encrypted: what is in it cannot be grown without its key",
  lvm: "belongs to LVM",
  raid: "belongs to a RAID",
  // The free space is behind them, where these commands take it from. diskutil(8).
  hfsplus: 'holds HFS+, which only a Mac makes larger: "diskutil resizeVolume VOLUME R" there',
  hfsx: 'holds HFS+, which only a Mac makes larger: "diskutil resizeVolume VOLUME R" there',
  apfs: 'holds APFS, which only a Mac makes larger: "diskutil apfs resizeContainer CONTAINER 0" there',
  exfat: "holds exFAT, which no program makes larger",
  f2fs: "holds F2FS, which is not grown here: resize.f2fs does it while it is not mounted",
  "": "holds nothing that is known here",
};

/** Why a partition does not grow, in words; undefined when it may. */
export function keepsOf({ type, fileSystem }: Pick<Partition, "type" | "fileSystem">): string | undefined {
  const fixed = fixedKinds[type.toUpperCase()];
  if (fixed !== undefined) return fixed;
  if (growing.includes(fileSystem)) return undefined;
  return unknownGrowth[fileSystem] ?? `holds ${fileSystem}, which is not grown here`;
}

/** Why neither size nor number of what seems to be in a partition may change, in words; undefined when both may. */
export function belongsElsewhere({ type }: Pick<Partition, "type">): string | undefined {
  return raidTypes.includes(type.toUpperCase()) ? "belongs to a RAID" : undefined;
}

const closed = ["luks", "bitlocker", "lvm", "raid"];

/** Whether a system may be in a partition whose files cannot be reached here: what they name must stay. */
export function isClosed(partition: Pick<Partition, "type" | "fileSystem">): boolean {
  return closed.includes(partition.fileSystem) || belongsElsewhere(partition) !== undefined;
}

/** Whose start depends on the numbers of disk and partitions, in words; undefined when nobody's is known to. */
export function findsByNumbers({ partitions }: Pick<DiskLayout, "partitions">): string | undefined {
  for (const { type, fileSystem } of partitions) {
    const system = byNumber[type.toUpperCase()] ?? (fileSystem === "ntfs" ? "Windows" : undefined);
    if (system !== undefined) return system;
  }
  return undefined;
}

/** Swap with the memory of a sleeping Linux in it, as `fileSystemOf` calls it. */
export const SUSPENDED = "swsuspend";

export function isSwap({ fileSystem }: Pick<Partition, "fileSystem">): boolean {
  return fileSystem === "swap" || fileSystem === SUSPENDED;
}
