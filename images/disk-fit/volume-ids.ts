import type { BlockSource } from "../block.ts";
import type { DiskWrite } from "./disk-write.ts";
import { freshBytes, freshId, isFresh, uuidText } from "./fresh-id.ts";
import { fatSerialAt, type VolumeFacts } from "./volume-facts.ts";

/** A new number for a file system. `from` and `to` as fstab writes them. */
export type VolumeRenewal = {
  readonly from: string;
  readonly to: string;
  /** By its own program, or by these bytes, whose places are the file system's own. */
  readonly by: "tune2fs" | "xfs_db" | "btrfstune" | readonly DiskWrite[];
};

const SWAP_UUID_AT = 1036;
const NTFS_SERIAL_AT = 0x48;

/** @returns undefined when it has no number that is known here, or has its new one */
export async function planRenewal(
  fileSystem: string,
  { id, idText, head, sizeBytes }: VolumeFacts,
  seed: string,
  volume: BlockSource,
): Promise<VolumeRenewal | undefined> {
  if (id === undefined || idText === undefined || id.every((byte) => byte === 0) || isFresh(seed, id)) return undefined;
  const uuid = freshId(seed, idText);
  const named = { from: idText, to: uuidText(uuid) };
  switch (fileSystem) {
    case "ext2":
    case "ext3":
    case "ext4":
      return { ...named, by: "tune2fs" };
    case "xfs":
      return { ...named, by: "xfs_db" };
    case "btrfs":
      return { ...named, by: "btrfstune" };
    case "swap":
    case "swsuspend":
      return { ...named, by: [{ at: SWAP_UUID_AT, bytes: uuid }] };
    case "ntfs": {
      const serial = freshBytes(seed, idText, 8);
      const writes = [{ at: NTFS_SERIAL_AT, bytes: serial }];
      // The copy of the first sector, where it is one.
      const copyAt = (sizeBytes ?? 0) - head.readUInt16LE(11);
      if (await isSame(volume, copyAt, head.subarray(0, 512))) {
        writes.push({ at: copyAt + NTFS_SERIAL_AT, bytes: serial });
      }
      return { from: idText, to: serial.readBigUInt64LE().toString(16).toUpperCase().padStart(16, "0"), by: writes };
    }
    case "vfat": {
      const serial = freshBytes(seed, idText, 4);
      const at = fatSerialAt(head);
      const writes = [{ at, bytes: serial }];
      const copyAt = at === 0x43 ? head.readUInt16LE(50) * head.readUInt16LE(11) : 0;
      if (copyAt > 0 && (await isSame(volume, copyAt, head.subarray(0, 512)))) {
        writes.push({ at: copyAt + at, bytes: serial });
      }
      const text = serial.readUInt32LE().toString(16).toUpperCase().padStart(8, "0");
      return { from: idText, to: `${text.slice(0, 4)}-${text.slice(4)}`, by: writes };
    }
    default:
      return undefined;
  }
}

async function isSame(volume: BlockSource, at: number, bytes: Uint8Array): Promise<boolean> {
  if (at <= 0 || at + bytes.length > volume.sizeBytes) return false;
  return Buffer.compare(await volume.read(at, bytes.length), bytes) === 0;
}
