/** How many bytes from the start of a partition `fileSystemOf` looks at. */
export const FILE_SYSTEM_PROBE_BYTES = 69632;

/**
 * The file system (or other content) that begins at byte 0 of `bytes`, by its
 * magic: "ext2" "ext3" "ext4" "xfs" "btrfs" "f2fs" "ntfs" "vfat" "exfat" "hfs"
 * "hfsplus" "hfsx" "apfs" "swap" "swsuspend" "luks" "bitlocker" "lvm" "raid" "iso9660"
 * "squashfs"; empty when unknown. The names are those of blkid where it has one.
 *
 * Containers (luks, lvm, raid) are asked first: old magics may be left behind them.
 * Sources: util-linux libblkid/src/superblocks, Apple TN1150 (HFS Plus).
 *
 * @param bytes the first `FILE_SYSTEM_PROBE_BYTES`, or fewer when the partition is smaller
 */
export function fileSystemOf(bytes: Uint8Array): string {
  const probe = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const { name, at, magic } of containers) if (hasMagic(probe, at, magic)) return name;
  for (const sectorAt of [0, 512, 1024, 1536])
    if (hasMagic(probe, sectorAt, "LABELONE") && hasMagic(probe, sectorAt + 24, "LVM2 001")) return "lvm";
  const ext = extOf(probe);
  if (ext !== "") return ext;
  for (const { name, at, magic } of fileSystems) if (hasMagic(probe, at, magic)) return name;
  for (const pageBytes of [4096, 8192, 16384, 65536])
    if (hasMagic(probe, pageBytes - 10, "SWAPSPACE2") || hasMagic(probe, pageBytes - 10, "SWAP-SPACE")) return "swap";
    else if (suspended.some((magic) => hasMagic(probe, pageBytes - 10, magic))) return "swsuspend";
  return "";
}

/** True when the bytes begin as a FAT, NTFS or exFAT boot sector, which also ends in the magic of an MBR. */
export function isBootSectorOfFileSystem(bytes: Uint8Array): boolean {
  return ["vfat", "ntfs", "exfat", "bitlocker"].includes(fileSystemOf(bytes));
}

/** In the place of swap's magic while the memory of a hibernated machine is in it. */
const suspended = ["S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001", "TOI_INSTANCE"];

type Magic = { readonly name: string; readonly at: number; readonly magic: string };

const containers: readonly Magic[] = [
  { name: "luks", at: 0, magic: "LUKS\xba\xbe" },
  { name: "bitlocker", at: 3, magic: "-FVE-FS-" },
  { name: "raid", at: 4096, magic: "\xfc\x4e\x2b\xa9" },
  { name: "raid", at: 0, magic: "\xfc\x4e\x2b\xa9" },
];

const fileSystems: readonly Magic[] = [
  { name: "xfs", at: 0, magic: "XFSB" },
  { name: "btrfs", at: 0x10040, magic: "_BHRfS_M" },
  { name: "f2fs", at: 1024, magic: "\x10\x20\xf5\xf2" },
  { name: "ntfs", at: 3, magic: "NTFS    " },
  { name: "exfat", at: 3, magic: "EXFAT   " },
  { name: "vfat", at: 82, magic: "FAT32   " },
  { name: "vfat", at: 54, magic: "FAT16   " },
  { name: "vfat", at: 54, magic: "FAT12   " },
  // An HFS wrapper may hold an HFS Plus volume, whose signature is then in drEmbedSigWord.
  { name: "hfsplus", at: 1024 + 0x7c, magic: "H+" },
  { name: "hfsplus", at: 1024, magic: "H+\0\x04" },
  { name: "hfsx", at: 1024, magic: "HX\0\x05" },
  { name: "hfs", at: 1024, magic: "BD" },
  { name: "apfs", at: 32, magic: "NXSB" },
  { name: "squashfs", at: 0, magic: "hsqs" },
  { name: "iso9660", at: 32769, magic: "CD001" },
];

function hasMagic(probe: Buffer, at: number, magic: string): boolean {
  return probe.length >= at + magic.length && probe.toString("latin1", at, at + magic.length) === magic;
}

const EXT_SUPERBLOCK = 1024;
const EXT_COMPAT_JOURNAL = 0x4;
// What ext3's own driver knew; anything more makes it ext4 (libblkid, ext.c).
const EXT3_INCOMPAT = 0x2 | 0x4 | 0x10;
const EXT3_RO_COMPAT = 0x1 | 0x2 | 0x4;
const EXT_INCOMPAT_JOURNAL_DEVICE = 0x8;

function extOf(probe: Buffer): string {
  if (probe.length < EXT_SUPERBLOCK + 104 || probe.readUInt16LE(EXT_SUPERBLOCK + 56) !== 0xef53) return "";
  const compat = probe.readUInt32LE(EXT_SUPERBLOCK + 92);
  const incompat = probe.readUInt32LE(EXT_SUPERBLOCK + 96);
  const readOnlyCompat = probe.readUInt32LE(EXT_SUPERBLOCK + 100);
  if ((incompat & EXT_INCOMPAT_JOURNAL_DEVICE) !== 0) return "";
  if ((incompat & ~EXT3_INCOMPAT) !== 0 || (readOnlyCompat & ~EXT3_RO_COMPAT) !== 0) return "ext4";
  return (compat & EXT_COMPAT_JOURNAL) !== 0 ? "ext3" : "ext2";
}
