import type { BlockSource } from "./block.ts";

export const MBR_BYTES = 512;
const ENTRIES_AT = 446;
const EXTENDED_TYPES = [0x05, 0x0f, 0x85];
/** The type of the entry with which an MBR protects a GPT. */
export const PROTECTIVE_TYPE = 0xee;
const MAX_LOGICAL = 128;

/** One entry of a master boot record, in sectors. */
export type MbrEntry = {
  readonly number: number;
  readonly type: number;
  readonly startSector: number;
  readonly sectors: number;
};

/**
 * The used ones of the four primary entries of a master boot record.
 *
 * @param bytes the first 512 bytes of the disk
 * @returns undefined when it is no MBR: no magic, or entries that cannot be entries
 */
export function decodeMbr(bytes: Uint8Array): MbrEntry[] | undefined {
  const sector = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (sector.length < MBR_BYTES || sector.readUInt16LE(510) !== 0xaa55) return undefined;
  const entries: MbrEntry[] = [];
  for (let index = 0; index < 4; index += 1) {
    const at = ENTRIES_AT + index * 16;
    // 0x00 or 0x80 by the standard: anything else is code or text of another kind of boot sector.
    if ((sector.readUInt8(at) & 0x7f) !== 0) return undefined;
    const entry = entryAt(sector, at, index + 1);
    // Some tools protect a GPT with an entry of no length, which firmware and kernels take (UEFI looks at the type).
    if (entry.type !== 0 && (entry.sectors > 0 || entry.type === PROTECTIVE_TYPE)) entries.push(entry);
  }
  return entries;
}

/** The partitions of an MBR, and whether a chain of logical ones is broken: then some may be missing. */
export type MbrPartitions = { readonly entries: readonly MbrEntry[]; readonly isChainBroken: boolean };

/**
 * All partitions of an MBR: the primary ones, then the logical ones from number
 * 5 on by walking the chain inside each extended partition. Containers are left out.
 */
export async function readMbrPartitions(
  source: BlockSource,
  primary: readonly MbrEntry[],
  sectorBytes: number,
): Promise<MbrPartitions> {
  const entries = primary.filter(({ type }) => !EXTENDED_TYPES.includes(type));
  const seen = new Set<number>();
  let isChainBroken = false;
  let number = 5;
  for (const extended of primary.filter(({ type }) => EXTENDED_TYPES.includes(type))) {
    for (let sector: number | undefined = extended.startSector; sector !== undefined; ) {
      const at = sector * sectorBytes;
      const isInside = sector > 0 && at + MBR_BYTES <= source.sizeBytes;
      const record = isInside ? Buffer.from(await source.read(at, MBR_BYTES)) : undefined;
      const isRecord = record?.readUInt16LE(510) === 0xaa55 && !seen.has(sector) && seen.size < MAX_LOGICAL;
      if (record === undefined || !isRecord) {
        isChainBroken = true;
        break;
      }
      seen.add(sector);
      // The first entry counts from this record, the link to the next one from the extended partition.
      const logical = entryAt(record, ENTRIES_AT, number);
      if (logical.type !== 0 && logical.sectors > 0) {
        entries.push({ ...logical, startSector: sector + logical.startSector });
        number += 1;
      }
      const link = entryAt(record, ENTRIES_AT + 16, 0);
      sector = EXTENDED_TYPES.includes(link.type) ? extended.startSector + link.startSector : undefined;
    }
  }
  return { entries, isChainBroken };
}

function entryAt(sector: Buffer, at: number, number: number): MbrEntry {
  const type = sector.readUInt8(at + 4);
  return { number, type, startSector: sector.readUInt32LE(at + 8), sectors: sector.readUInt32LE(at + 12) };
}
