import { crc32 } from "node:zlib";
import { Fault } from "../fault.ts";
import type { BlockSource } from "./block.ts";

/** What the header of a partclone image says, and where its parts lie. */
export type PartcloneHeader = {
  /** Clonezilla wrote version 1 until 2016. */
  readonly version: 1 | 2;
  /** As partclone writes it: "EXTFS", "HFS Plus", "NTFS". */
  readonly fileSystem: string;
  readonly deviceBytes: number;
  readonly blockBytes: number;
  /** Of the file system. */
  readonly blocks: number;
  /** How many bits of the bitmap are set, which is how many blocks the image holds. */
  readonly usedBlocks: number;
  readonly bitmap: "bits" | "bytes";
  readonly bitmapOffset: number;
  readonly bitmapBytes: number;
  /** Behind the bitmap: its CRC-32, or "BiTmAgIc". */
  readonly dataOffset: number;
  /** "first-byte" is version 1's: it looks at the first byte of a block only. */
  readonly checksum: "none" | "crc32" | "first-byte" | "unknown";
  readonly checksumBytes: number;
  /** Of used blocks; 0 when there are no checksums. */
  readonly blocksPerChecksum: number;
  /** Whether each checksum begins anew, so that one can be checked without those before. */
  readonly isReseeded: boolean;
};

export const PARTCLONE_MAGIC = "partclone-image";
const V1_HEADER_BYTES = 4160;
const V2_HEADER_BYTES = 110;
/** That of 4 TiB in blocks of 4 KiB, held in memory. */
const MAX_BITMAP_BYTES = 1 << 27;
const MAX_BLOCK_BYTES = 1 << 26;

/**
 * Reads the header of a partclone image, little-endian.
 * Source: partclone's partclone.h (0.3.23), and images that it made.
 *
 * @throws {Fault} PARTCLONE_DAMAGED, PARTCLONE_TRUNCATED, PARTCLONE_KIND
 */
export async function readPartcloneHeader(source: BlockSource): Promise<PartcloneHeader> {
  const bytes = Buffer.from(await source.read(0, Math.min(V1_HEADER_BYTES, source.sizeBytes)));
  if (bytes.toString("latin1", 0, 15) !== PARTCLONE_MAGIC) throw damagedPartclone("It has no partclone header.");
  const isVersion1 = bytes[15] !== 0;
  const headerBytes = isVersion1 ? V1_HEADER_BYTES : V2_HEADER_BYTES;
  if (bytes.length < headerBytes) throw truncatedPartclone(headerBytes, bytes.length);
  const header = isVersion1 ? decodeVersion1(bytes, source.sizeBytes) : decodeVersion2(bytes);
  const { blockBytes, blocks, usedBlocks } = header;
  if (blockBytes < 256 || blockBytes > MAX_BLOCK_BYTES)
    throw damagedPartclone(`A block should have ${blockBytes} bytes.`);
  if (blocks === 0 || usedBlocks > blocks) throw damagedPartclone(`It should hold ${usedBlocks} of ${blocks} blocks.`);
  if (!Number.isSafeInteger(blocks * blockBytes) || !Number.isSafeInteger(header.deviceBytes))
    throw damagedPartclone(`It should be of a partition with ${header.deviceBytes} bytes.`);
  if (header.bitmapBytes > MAX_BITMAP_BYTES) throw tooLarge(blocks);
  const end = placeOfUsedBlock(header, usedBlocks) + (endsInPart(header) ? header.checksumBytes : 0);
  if (end > source.sizeBytes) throw truncatedPartclone(end, source.sizeBytes);
  return header;
}

/** Where in the file the used block with this index (from 0) lies: each group before it has a checksum behind it. */
export function placeOfUsedBlock(header: PartcloneHeader, index: number): number {
  const { dataOffset, blockBytes, blocksPerChecksum, checksumBytes } = header;
  const groups = blocksPerChecksum === 0 ? 0 : Math.floor(index / blocksPerChecksum);
  return dataOffset + index * blockBytes + groups * checksumBytes;
}

function endsInPart({ usedBlocks, blocksPerChecksum }: PartcloneHeader): boolean {
  return blocksPerChecksum !== 0 && usedBlocks % blocksPerChecksum !== 0;
}

function decodeVersion2(bytes: Buffer): PartcloneHeader {
  const version = bytes.toString("latin1", 30, 34);
  if (version !== "0002") throw unknownKind(`It has version ${JSON.stringify(version)}; bootcast knows 0001 and 0002.`);
  if (bytes.readUInt16LE(34) !== 0xc0de) throw unknownKind("It was written by a big-endian machine.");
  // The usual polynomial and start, without the inversion at the end.
  if (~crc32(bytes.subarray(0, 106)) >>> 0 !== bytes.readUInt32LE(106))
    throw damagedPartclone("The checksum of its header does not fit.");
  if (bytes.readUInt32LE(88) !== 18)
    throw unknownKind(`Its options have ${bytes.readUInt32LE(88)} bytes instead of 18.`);
  const mode = bytes.readUInt16LE(96);
  const checksum = mode === 0 ? "none" : mode === 0x20 ? "crc32" : "unknown";
  const checksumBytes = bytes.readUInt16LE(98);
  const blocksPerChecksum = checksum === "none" ? 0 : bytes.readUInt32LE(100);
  if (checksum === "crc32" && checksumBytes !== 4)
    throw damagedPartclone(`A CRC-32 should have ${checksumBytes} bytes.`);
  if (checksumBytes > 64) throw damagedPartclone(`A checksum should have ${checksumBytes} bytes.`);
  if (checksum !== "none" && blocksPerChecksum === 0) throw damagedPartclone("It has checksums, of no blocks each.");
  if (bytes[105] !== 1) throw unknownKind(`Its bitmap is of kind ${bytes[105]}; bootcast knows bits (1).`);
  const blocks = numberAt(bytes, 60);
  const bitmapBytes = Math.ceil(blocks / 8);
  return {
    version: 2,
    fileSystem: textAt(bytes, 36, 16),
    deviceBytes: numberAt(bytes, 52),
    blocks,
    usedBlocks: numberAt(bytes, 76),
    blockBytes: bytes.readUInt32LE(84),
    bitmap: "bits",
    bitmapOffset: V2_HEADER_BYTES,
    bitmapBytes,
    dataOffset: V2_HEADER_BYTES + bitmapBytes + 4,
    checksum,
    checksumBytes: checksum === "none" ? 0 : checksumBytes,
    blocksPerChecksum,
    isReseeded: bytes[104] === 1,
  };
}

function decodeVersion1(bytes: Buffer, fileBytes: number): PartcloneHeader {
  const version = bytes.toString("latin1", 30, 34);
  if (version !== "0001") throw damagedPartclone(`Its header has version ${JSON.stringify(version)}.`);
  const blocks = numberAt(bytes, 48);
  const usedBlocks = numberAt(bytes, 56);
  const blockBytes = bytes.readUInt32LE(36);
  const dataOffset = V1_HEADER_BYTES + blocks + 8;
  // Some 64-bit builds wrote each checksum with 8 bytes. Only the length of the file tells.
  const checksumBytes = fileBytes >= dataOffset + usedBlocks * (blockBytes + 8) ? 8 : 4;
  return {
    version: 1,
    fileSystem: textAt(bytes, 15, 15),
    deviceBytes: numberAt(bytes, 40),
    blocks,
    usedBlocks,
    blockBytes,
    bitmap: "bytes",
    bitmapOffset: V1_HEADER_BYTES,
    bitmapBytes: blocks,
    dataOffset,
    checksum: "first-byte",
    checksumBytes,
    blocksPerChecksum: 1,
    isReseeded: false,
  };
}

function numberAt(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64LE(at);
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw damagedPartclone(`Byte ${at} of its header says ${value}, and no disk is so large.`);
}

function textAt(bytes: Buffer, at: number, length: number): string {
  return bytes.toString("latin1", at, at + length).split("\0")[0]!;
}

export function damagedPartclone(why: string): Fault {
  return new Fault("PARTCLONE_DAMAGED", {
    what: "The partclone image is damaged.",
    why,
    fix: 'Copy it again from where it came from. "partclone.chkimg -s FILE" checks the original.',
  });
}

export function truncatedPartclone(expectedBytes: number, sizeBytes: number): Fault {
  return new Fault("PARTCLONE_TRUNCATED", {
    what: "The partclone image is cut off.",
    why: `It should have at least ${expectedBytes} bytes, and it has ${sizeBytes}.`,
    fix: "Copy it again. Of an image in pieces (.aa, .ab, …) all must lie in one folder.",
  });
}

function unknownKind(why: string): Fault {
  return new Fault("PARTCLONE_KIND", { what: "This kind of partclone image cannot be read.", why, fix: restoreFirst });
}

function tooLarge(blocks: number): Fault {
  return new Fault("PARTCLONE_KIND", {
    what: "The partclone image is too large.",
    why: `Its bitmap is of ${blocks} blocks, and it is held in memory: at most ${MAX_BITMAP_BYTES * 8} bits.`,
    fix: restoreFirst,
  });
}

export const restoreFirst = 'Make a raw image of it: "partclone.restore -C -s FILE -O OUT.raw" (Debian: partclone).';
