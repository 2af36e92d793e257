import type { ByteRange } from "../block.ts";
import { NO_MAP, readBtrfsFreeSpace } from "./btrfs.ts";
import { readExfatFreeSpace } from "./exfat.ts";
import { readExtFreeSpace } from "./ext.ts";
import { readFatFreeSpace } from "./fat.ts";
import { findHfsPlusPageFiles, readHfsPlusFreeSpace } from "./hfs-plus.ts";
import { findNtfsFiles, readNtfsFreeSpace } from "./ntfs.ts";
import type { FreeSpace, Volume } from "./volume.ts";
import { readXfsFreeSpace } from "./xfs.ts";

/** Of swap space only the header is of use; it is in the first page, and no page is larger. */
const SWAP_HEADER_BYTES = 65536;

/**
 * The free space of one file system, by the name that `fileSystemOf` gives it.
 * Empty lists of free ranges are what file systems have that are never written.
 *
 * @throws {Implausible} when it is damaged
 */
export async function readFreeSpace(fileSystem: string, volume: Volume): Promise<FreeSpace> {
  switch (fileSystem) {
    case "ext2":
    case "ext3":
    case "ext4":
      return readExtFreeSpace(volume);
    case "vfat":
      return readFatFreeSpace(volume);
    case "exfat":
      return readExfatFreeSpace(volume);
    case "ntfs":
      return readNtfsFreeSpace(volume);
    case "hfsplus":
    case "hfsx":
      return readHfsPlusFreeSpace(volume);
    case "btrfs":
      return readBtrfsFreeSpace(volume);
    case "xfs":
      return readXfsFreeSpace(volume);
    case "swap":
      return { state: "known", ranges: swapRanges(volume) };
    case "swsuspend":
      return {
        state: "dirty",
        problem: "holds the memory of a hibernated Linux",
        fix: 'start the machine and shut it down, or run "mkswap" on it',
      };
    default:
      return { state: "unknown", reason: reasons[fileSystem] ?? "its content is unknown" };
  }
}

const reasons: Readonly<Record<string, string>> = {
  luks: "it is encrypted (LUKS)",
  bitlocker: "it is encrypted (BitLocker)",
  lvm: "it is a part of an LVM volume group",
  raid: "it is a part of a RAID",
  hfs: "HFS, the one before HFS Plus, is not read",
  apfs: NO_MAP,
  f2fs: NO_MAP,
  iso9660: "a CD has no free space",
  squashfs: "it has no free space",
};

/**
 * Files whose content no system needs that was shut down: memory that was
 * written to the disk. One list of ranges for each.
 *
 * @throws {Implausible}
 */
export async function findPageFiles(fileSystem: string, volume: Volume): Promise<(readonly ByteRange[])[]> {
  if (fileSystem === "ntfs") return findNtfsFiles(volume, ["pagefile.sys", "swapfile.sys", "hiberfil.sys"]);
  if (fileSystem === "hfsplus" || fileSystem === "hfsx") return findHfsPlusPageFiles(volume);
  return [];
}

async function* swapRanges({ startBytes, sizeBytes }: Volume): AsyncGenerator<ByteRange> {
  if (sizeBytes > SWAP_HEADER_BYTES)
    yield { startBytes: startBytes + SWAP_HEADER_BYTES, endBytes: startBytes + sizeBytes };
}
