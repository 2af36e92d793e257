import { crc32 } from "node:zlib";
import type { BlockSource, ByteRange } from "./block.ts";

/** One used entry of a GUID partition table. */
export type GptEntry = {
  readonly number: number;
  readonly startBytes: number;
  readonly sizeBytes: number;
  readonly type: string;
  readonly label: string;
};

/** One of the two copies of a GUID partition table, checked by its checksums. */
export type Gpt = {
  readonly sectorBytes: number;
  readonly entries: readonly GptEntry[];
  /** Header and entries of this copy. */
  readonly ranges: readonly ByteRange[];
  /** Where the other copy's header is. */
  readonly otherHeaderBytes: number;
};

const MAX_ENTRIES = 1024;

/**
 * Reads the copy of a GPT whose header is at `headerAt`.
 *
 * Source: UEFI specification 2.10, section 5.3.
 *
 * @returns undefined when there is none, or a checksum or a number in it is wrong
 */
export async function readGpt(source: BlockSource, headerAt: number, sectorBytes: number): Promise<Gpt | undefined> {
  if (headerAt < sectorBytes || headerAt + sectorBytes > source.sizeBytes) return undefined;
  const header = Buffer.from(await source.read(headerAt, sectorBytes));
  if (header.toString("latin1", 0, 8) !== "EFI PART") return undefined;
  const headerBytes = header.readUInt32LE(12);
  if (headerBytes < 92 || headerBytes > sectorBytes) return undefined;
  const crc = header.readUInt32LE(16);
  header.writeUInt32LE(0, 16);
  if (crc32(header.subarray(0, headerBytes)) !== crc) return undefined;
  const ownBytes = sectorsAsBytes(header.readBigUInt64LE(24), sectorBytes);
  const entriesAt = sectorsAsBytes(header.readBigUInt64LE(72), sectorBytes);
  const count = header.readUInt32LE(80);
  const entryBytes = header.readUInt32LE(84);
  const isPlausible = count <= MAX_ENTRIES && entryBytes >= 128 && entryBytes <= 4096 && entryBytes % 8 === 0;
  if (ownBytes !== headerAt || !isPlausible || entriesAt + count * entryBytes > source.sizeBytes) return undefined;
  const entries = Buffer.from(await source.read(entriesAt, count * entryBytes));
  if (crc32(entries) !== header.readUInt32LE(88)) return undefined;
  return {
    sectorBytes,
    entries: entriesOf(entries, entryBytes, sectorBytes),
    ranges: [
      { startBytes: headerAt, endBytes: headerAt + sectorBytes },
      { startBytes: entriesAt, endBytes: entriesAt + count * entryBytes },
    ],
    otherHeaderBytes: sectorsAsBytes(header.readBigUInt64LE(32), sectorBytes),
  };
}

function entriesOf(table: Buffer, entryBytes: number, sectorBytes: number): GptEntry[] {
  const entries: GptEntry[] = [];
  for (let at = 0; at < table.length; at += entryBytes) {
    const type = guidText(table.subarray(at, at + 16));
    if (type === "00000000-0000-0000-0000-000000000000") continue;
    const startBytes = sectorsAsBytes(table.readBigUInt64LE(at + 32), sectorBytes);
    const endBytes = sectorsAsBytes(table.readBigUInt64LE(at + 40) + 1n, sectorBytes);
    const label = table
      .toString("utf16le", at + 56, at + 128)
      .replace(/\0.*$/s, "")
      .toWellFormed();
    entries.push({ number: at / entryBytes + 1, startBytes, sizeBytes: endBytes - startBytes, type, label });
  }
  return entries;
}

// The first three groups are little-endian numbers, the last two are bytes in order.
function guidText(bytes: Buffer): string {
  const hex = (part: Buffer) => part.toString("hex").toUpperCase();
  const reversed = (from: number, to: number) => hex(Buffer.from(bytes.subarray(from, to)).reverse());
  return `${reversed(0, 4)}-${reversed(4, 6)}-${reversed(6, 8)}-${hex(bytes.subarray(8, 10))}-${hex(bytes.subarray(10))}`;
}

// Numbers beyond what a number holds exactly become far larger than any disk, and are refused as such.
function sectorsAsBytes(sectors: bigint, sectorBytes: number): number {
  return Number(sectors) * sectorBytes;
}
