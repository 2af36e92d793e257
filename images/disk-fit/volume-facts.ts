import type { BlockSource } from "../block.ts";
import { FILE_SYSTEM_PROBE_BYTES } from "../file-system.ts";
import { readFatFreeSpace } from "../free-space/fat.ts";
import { fatShapeOf } from "../free-space/fat-shape.ts";
import { Implausible, Volume } from "../free-space/volume.ts";
import type { Partition } from "../manifest.ts";
import { fatGrowth, mostFatBytes } from "./fat-growth.ts";
import { uuidText } from "./fresh-id.ts";

/** What a file system says of itself. */
export type VolumeFacts = {
  /** The first bytes of it, `FILE_SYSTEM_PROBE_BYTES` or fewer. */
  readonly head: Buffer;
  /** Its number, as it lies there; undefined: none is known. */
  readonly id?: Uint8Array;
  /** The same as `blkid` and fstab write it: "0b1c2d3e-…", FAT "1A2B-3C4D", NTFS "0123456789ABCDEF". */
  readonly idText?: string;
  /** How much of its partition it takes; undefined: not known. */
  readonly sizeBytes?: number;
  /** Why it neither grows nor gets a new number, in words. */
  readonly keeps?: string;
  /** Of btrfs: the number of its device, which the order to grow names. */
  readonly deviceNumber?: number;
  /** The largest partition that it can fill, where there is a limit. */
  readonly mostBytes?: number;
  /** How much of a partition it fills. */
  filledBytes?(partitionBytes: number): number;
};

const EXT = 1024;
const EXT_64BIT = 0x80;
const BTRFS = 0x10000;
const BTRFS_DEVICE = BTRFS + 0xc9;
const BTRFS_SEEDING = 1n << 32n;

/**
 * Sources: Linux fs/ext4/ext4.h, fs/xfs/libxfs/xfs_format.h, include/uapi/linux/btrfs_tree.h, include/linux/swap.h;
 * ntfs-3g include/ntfs-3g/layout.h; Microsoft's FAT specification 1.03, section 3.
 */
export async function readVolumeFacts(disk: BlockSource, partition: Partition): Promise<VolumeFacts> {
  const { startBytes, sizeBytes, fileSystem } = partition;
  const volume = new Volume(disk, startBytes, sizeBytes);
  const head = await volume.read(0, Math.min(FILE_SYSTEM_PROBE_BYTES, sizeBytes));
  switch (fileSystem) {
    case "ext2":
    case "ext3":
    case "ext4": {
      const is64 = (head.readUInt32LE(EXT + 0x60) & EXT_64BIT) !== 0;
      const blocks = head.readUInt32LE(EXT + 4) + (is64 ? head.readUInt32LE(EXT + 0x150) * 2 ** 32 : 0);
      return { ...withUuid(head, EXT + 0x68), sizeBytes: blocks * 1024 * 2 ** head.readUInt32LE(EXT + 0x18) };
    }
    case "xfs":
      return { ...withUuid(head, 32), sizeBytes: Number(head.readBigUInt64BE(8)) * head.readUInt32BE(4) };
    case "btrfs":
      return btrfsFacts(head);
    case "ntfs": {
      const id = head.subarray(0x48, 0x50);
      const idText = id.readBigUInt64LE().toString(16).toUpperCase().padStart(16, "0");
      // The sector behind its last one holds the copy of the first.
      return { head, id, idText, sizeBytes: (Number(head.readBigUInt64LE(0x28)) + 1) * head.readUInt16LE(11) };
    }
    case "vfat":
      return fatFacts(volume, head);
    case "swap":
    case "swsuspend":
      return withUuid(head, SWAP_UUID_AT);
    default:
      return { head };
  }
}

const SWAP_UUID_AT = 1036;

function withUuid(head: Buffer, at: number) {
  const id = head.subarray(at, at + 16);
  return { head, id, idText: uuidText(id) };
}

function btrfsFacts(head: Buffer): VolumeFacts {
  const facts = {
    ...withUuid(head, BTRFS + 0x20),
    sizeBytes: Number(head.readBigUInt64LE(BTRFS_DEVICE + 8)),
    deviceNumber: Number(head.readBigUInt64LE(BTRFS_DEVICE)),
  };
  if (head.readBigUInt64LE(BTRFS + 0x88) > 1n) return { ...facts, keeps: "spans several devices" };
  const isSeed = (head.readBigUInt64LE(BTRFS + 0x38) & BTRFS_SEEDING) !== 0n;
  return isSeed ? { ...facts, keeps: "is a seed of other file systems" } : facts;
}

async function fatFacts(volume: Volume, head: Buffer): Promise<VolumeFacts> {
  try {
    const shape = fatShapeOf(head, volume.sizeBytes);
    const id = head.subarray(fatSerialAt(head), fatSerialAt(head) + 4);
    const serial = id.readUInt32LE().toString(16).toUpperCase().padStart(8, "0");
    const facts = {
      ...{ head, id, idText: `${serial.slice(0, 4)}-${serial.slice(4)}` },
      sizeBytes: shape.sectors * shape.sectorBytes,
      mostBytes: mostFatBytes(shape),
      filledBytes: (bytes: number) => fatGrowth(shape, bytes).sectors * shape.sectorBytes,
    };
    const free = await readFatFreeSpace(volume);
    if (free.state === "dirty") return { ...facts, keeps: free.problem };
    return shape.isMirrored ? facts : { ...facts, keeps: "keeps only one of its tables up to date" };
  } catch (error) {
    if (error instanceof Implausible) return { head, keeps: `is damaged: ${error.message}` };
    throw error;
  }
}

/** Where a FAT's boot sector has the volume's serial: FAT32 has other fields before it. */
export function fatSerialAt(boot: Buffer): number {
  return boot.readUInt16LE(22) === 0 ? 0x43 : 0x27;
}
