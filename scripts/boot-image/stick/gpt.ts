import { crc32 } from "node:zlib";

export const SECTOR_BYTES = 512;
const ENTRIES = 128;
const ENTRY_BYTES = 128;
const ENTRY_SECTORS = (ENTRIES * ENTRY_BYTES) / SECTOR_BYTES;
const HEADER_BYTES = 92;
/** The first sector behind the primary table. */
export const FIRST_USABLE_SECTOR = 2 + ENTRY_SECTORS;
const BOOT_CODE_BYTES = 440;
const PROTECTIVE_TYPE = 0xee;

export type StickPartition = {
  /** GUID, upper case. */
  readonly type: string;
  readonly guid: string;
  readonly name: string;
  readonly firstSector: number;
  /** Its last one, as a GPT counts. */
  readonly lastSector: number;
};

/** A GUID partition table: where its three pieces go, and what they are. */
export type EncodedGpt = {
  /** Sector 0. */
  readonly mbr: Uint8Array;
  /** From sector 1 on. */
  readonly primary: Uint8Array;
  /** Up to the disk's end. */
  readonly backup: Uint8Array;
  readonly backupSector: number;
};

/** The last sector that a partition may have. */
export function lastUsableSector(diskSectors: number): number {
  return diskSectors - ENTRY_SECTORS - 2;
}

/**
 * Writes a GUID partition table. Its protective entry in the MBR is marked as active: there are BIOSes that start no disk
 * without one, and UEFI firmware does not look at the mark.
 *
 * Source: UEFI 2.10, sections 5.2.3 and 5.3.
 *
 * @param bootCode up to 440 bytes for the BIOS
 */
export function encodeGpt(
  diskSectors: number,
  diskGuid: string,
  partitions: readonly StickPartition[],
  bootCode: Uint8Array,
): EncodedGpt {
  const entries = Buffer.alloc(ENTRIES * ENTRY_BYTES);
  for (const [index, { type, guid, name, firstSector, lastSector }] of partitions.entries()) {
    const at = index * ENTRY_BYTES;
    guidBytes(type).copy(entries, at);
    guidBytes(guid).copy(entries, at + 16);
    entries.writeBigUInt64LE(BigInt(firstSector), at + 32);
    entries.writeBigUInt64LE(BigInt(lastSector), at + 40);
    entries.write(name.slice(0, 36), at + 56, "utf16le");
  }
  const backupSector = diskSectors - 1 - ENTRY_SECTORS;
  const header = (ownSector: number, otherSector: number, entriesSector: number) => {
    const bytes = Buffer.alloc(SECTOR_BYTES);
    bytes.write("EFI PART", 0, "latin1");
    bytes.writeUInt32LE(0x0001_0000, 8);
    bytes.writeUInt32LE(HEADER_BYTES, 12);
    bytes.writeBigUInt64LE(BigInt(ownSector), 24);
    bytes.writeBigUInt64LE(BigInt(otherSector), 32);
    bytes.writeBigUInt64LE(BigInt(FIRST_USABLE_SECTOR), 40);
    bytes.writeBigUInt64LE(BigInt(lastUsableSector(diskSectors)), 48);
    guidBytes(diskGuid).copy(bytes, 56);
    bytes.writeBigUInt64LE(BigInt(entriesSector), 72);
    bytes.writeUInt32LE(ENTRIES, 80);
    bytes.writeUInt32LE(ENTRY_BYTES, 84);
    bytes.writeUInt32LE(crc32(entries), 88);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, HEADER_BYTES)), 16);
    return bytes;
  };
  return {
    mbr: protectiveMbr(diskSectors, bootCode),
    primary: Buffer.concat([header(1, diskSectors - 1, 2), entries]),
    backup: Buffer.concat([entries, header(diskSectors - 1, 1, backupSector)]),
    backupSector,
  };
}

function protectiveMbr(diskSectors: number, bootCode: Uint8Array): Buffer {
  const bytes = Buffer.alloc(SECTOR_BYTES);
  bytes.set(bootCode.subarray(0, BOOT_CODE_BYTES));
  // Active; from cylinder 0, head 0, sector 2 to the largest address; from sector 1 to the end or as far as 32 bits go.
  Buffer.from([0x80, 0x00, 0x02, 0x00, PROTECTIVE_TYPE, 0xff, 0xff, 0xff]).copy(bytes, 446);
  bytes.writeUInt32LE(1, 454);
  bytes.writeUInt32LE(Math.min(diskSectors - 1, 0xffff_ffff), 458);
  bytes.writeUInt16LE(0xaa55, 510);
  return bytes;
}

// The first three groups are little-endian numbers, the last two are bytes in order.
function guidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll("-", ""), "hex");
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
