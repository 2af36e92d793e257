import { crc32 } from "node:zlib";
import type { BlockSource } from "../block.ts";
import { readGpt } from "../gpt.ts";
import { MBR_BYTES, PROTECTIVE_TYPE } from "../mbr.ts";
import type { DiskWrite, PartitionPlaces } from "./disk-write.ts";
import { freshId, isFresh, swappedGuid, uuidText } from "./fresh-id.ts";

const HEADER = { crc: 16, own: 24, other: 32, lastUsable: 48, diskGuid: 56, entriesAt: 72, count: 80, entryBytes: 84 };
const ENTRIES_CRC = 88;
const ENTRY = { guid: 16, first: 32, last: 40 };
const MBR_ENTRIES_AT = 446;

/** A GUID partition table as bytes, one of its copies being right. */
export type GptTable = {
  readonly sectorBytes: number;
  readonly mbr: Buffer;
  readonly header: Buffer;
  readonly entries: Buffer;
  readonly entryBytes: number;
  /** Where the first copy's entries begin. */
  readonly entriesAt: number;
  /** Where the second copy's header is now, when it is one. */
  readonly backupAt: number | undefined;
  /** Both copies are right, and the second one is at the disk's end. */
  readonly isWhole: boolean;
};

/**
 * Reads what `gptWrites` changes. The first copy counts; where it is damaged the second one does.
 *
 * Source: UEFI specification 2.10, section 5.3.
 *
 * @returns undefined when neither copy is right
 */
export async function readGptTable(source: BlockSource, sectorBytes: number): Promise<GptTable | undefined> {
  const lastAt = source.sizeBytes - (source.sizeBytes % sectorBytes) - sectorBytes;
  const primary = await readGpt(source, sectorBytes, sectorBytes);
  const backupAt = primary?.otherHeaderBytes ?? lastAt;
  const backup = await readGpt(source, backupAt, sectorBytes);
  const found = primary ?? backup;
  if (found === undefined) return undefined;
  const [headerRange, entriesRange] = found.ranges;
  const header = Buffer.from(await source.read(headerRange!.startBytes, sectorBytes));
  const entries = Buffer.from(
    await source.read(entriesRange!.startBytes, entriesRange!.endBytes - entriesRange!.startBytes),
  );
  return {
    sectorBytes,
    mbr: Buffer.from(await source.read(0, MBR_BYTES)),
    header,
    entries,
    entryBytes: header.readUInt32LE(HEADER.entryBytes),
    entriesAt: primary === undefined ? 2 * sectorBytes : entriesRange!.startBytes,
    backupAt: backup === undefined ? undefined : backupAt,
    isWhole: primary !== undefined && backup !== undefined && backupAt === lastAt,
  };
}

/** The first byte of the disk that no partition may take: the second copy lies there. */
export function gptEndBytes({ sectorBytes, entries }: GptTable, diskBytes: number): number {
  return (Math.floor(diskBytes / sectorBytes) - 1 - Math.ceil(entries.length / sectorBytes)) * sectorBytes;
}

/** New GUIDs for disk and partitions: old to new, as UUIDs are written, lower case. Those that are new stay. */
export function renewGuids(table: GptTable, seed: string): { table: GptTable; renewed: Map<string, string> } {
  const header = Buffer.from(table.header);
  const entries = Buffer.from(table.entries);
  const renewed = new Map<string, string>();
  const renew = (bytes: Buffer) => {
    const uuid = swappedGuid(bytes);
    if (isFresh(seed, uuid)) return;
    const id = freshId(seed, uuidText(uuid));
    renewed.set(uuidText(uuid), uuidText(id));
    bytes.set(swappedGuid(id));
  };
  renew(header.subarray(HEADER.diskGuid, HEADER.diskGuid + 16));
  for (let at = 0; at < entries.length; at += table.entryBytes) {
    if (entries.subarray(at, at + 16).some((byte) => byte !== 0)) {
      renew(entries.subarray(at + ENTRY.guid, at + ENTRY.guid + 16));
    }
  }
  return { table: { ...table, header, entries }, renewed };
}

/**
 * The table with both copies in their places on a disk of `diskBytes`: second copy, first copy, the first sector, and
 * last the second copy's former header is wiped. In that order one right copy is there at every moment.
 *
 * @param places of partitions that change; the others stay
 */
export function gptWrites(table: GptTable, diskBytes: number, places: PartitionPlaces): DiskWrite[] {
  const { sectorBytes, entryBytes } = table;
  const lastSector = Math.floor(diskBytes / sectorBytes) - 1;
  const entriesSectors = Math.ceil(table.entries.length / sectorBytes);
  const entries = Buffer.from(table.entries);
  for (const [number, { startBytes, endBytes }] of places) {
    const at = (number - 1) * entryBytes;
    entries.writeBigUInt64LE(BigInt(startBytes / sectorBytes), at + ENTRY.first);
    entries.writeBigUInt64LE(BigInt(endBytes / sectorBytes) - 1n, at + ENTRY.last);
  }
  const backupEntries = lastSector - entriesSectors;
  const header = (own: number, other: number, entriesAt: number) => {
    const bytes = Buffer.from(table.header);
    bytes.writeBigUInt64LE(BigInt(own), HEADER.own);
    bytes.writeBigUInt64LE(BigInt(other), HEADER.other);
    bytes.writeBigUInt64LE(BigInt(backupEntries - 1), HEADER.lastUsable);
    bytes.writeBigUInt64LE(BigInt(entriesAt), HEADER.entriesAt);
    bytes.writeUInt32LE(crc32(entries), ENTRIES_CRC);
    bytes.writeUInt32LE(0, HEADER.crc);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, bytes.readUInt32LE(12))), HEADER.crc);
    return bytes;
  };
  const lastAt = lastSector * sectorBytes;
  const writes = [
    { at: backupEntries * sectorBytes, bytes: entries },
    { at: lastAt, bytes: header(lastSector, 1, backupEntries) },
    { at: table.entriesAt, bytes: entries },
    { at: sectorBytes, bytes: header(1, lastSector, table.entriesAt / sectorBytes) },
    { at: 0, bytes: protectiveMbr(table, lastSector, places) },
  ];
  const formerAt = table.backupAt;
  const isInTheWay = formerAt !== undefined && formerAt !== lastAt && formerAt < backupEntries * sectorBytes;
  return isInTheWay ? [...writes, { at: formerAt, bytes: Buffer.alloc(sectorBytes) }] : writes;
}

/** The entry that protects the GPT covers the whole disk; a hybrid MBR follows what it shows of the GPT. */
function protectiveMbr(
  { mbr, entries, entryBytes, sectorBytes }: GptTable,
  lastSector: number,
  places: PartitionPlaces,
) {
  const bytes = Buffer.from(mbr);
  const slots = [0, 1, 2, 3].map((index) =>
    bytes.subarray(MBR_ENTRIES_AT + index * 16, MBR_ENTRIES_AT + index * 16 + 16),
  );
  const used = slots.filter((slot) => slot.readUInt8(4) !== 0);
  const [only] = used;
  if (used.length === 1 && only!.readUInt8(4) === PROTECTIVE_TYPE) {
    only!.writeUInt32LE(Math.min(lastSector, 0xffff_ffff), 12);
    return bytes;
  }
  for (const slot of used) {
    for (const [number, { startBytes, endBytes }] of places) {
      const at = (number - 1) * entryBytes;
      const first = Number(entries.readBigUInt64LE(at + ENTRY.first));
      const sectors = Number(entries.readBigUInt64LE(at + ENTRY.last)) + 1 - first;
      if (slot.readUInt32LE(8) !== first || slot.readUInt32LE(12) !== sectors) continue;
      slot.writeUInt32LE(Math.min(startBytes / sectorBytes, 0xffff_ffff), 8);
      slot.writeUInt32LE(Math.min((endBytes - startBytes) / sectorBytes, 0xffff_ffff), 12);
      break;
    }
  }
  return bytes;
}
