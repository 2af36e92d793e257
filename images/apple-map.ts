import type { BlockSource, ByteRange } from "./block.ts";

/** One entry of Apple's partition map. */
export type AppleEntry = {
  /** As Mac OS and Linux count: 1 is the first entry, mostly the map itself. */
  readonly number: number;
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** "Apple_HFS", "Apple_partition_map", "Apple_Free", "Apple_Driver_ATA" … */
  readonly type: string;
  readonly label: string;
};

/** Apple's partition map: how the disks of Macs with PowerPC, and most .dmg of their time, are divided. */
export type AppleMap = {
  /** The unit in which the map counts: 512, or 2048 on CDs. */
  readonly blockBytes: number;
  /** All entries in their order, free stretches and the map itself, too. */
  readonly entries: readonly AppleEntry[];
  /** Driver descriptor map and partition map. */
  readonly ranges: readonly ByteRange[];
  /** Without a driver descriptor map in the first block Linux does not see the map; Mac OS does. */
  readonly hasDriverMap: boolean;
};

const BLOCK_SIZES = [512, 1024, 2048, 4096];
const ENTRY_BYTES = 512;
const MOST_ENTRIES = 256;
const MAP_TYPE = "Apple_partition_map";

/**
 * Reads Apple's partition map: a driver descriptor map "ER" in block 0 that says how
 * long a block is, and entries "PM", one a block from block 1 on. Big-endian.
 *
 * CDs that start Macs of every age say 2048 in block 0 and have entries every 512 bytes:
 * these count, as for Linux (block/partitions/mac.c).
 * Source: Inside Macintosh: Devices, "SCSI Manager", figures 3-3 to 3-5.
 *
 * @returns undefined when there is none, or its entries are not entries
 */
export async function readAppleMap(source: BlockSource): Promise<AppleMap | undefined> {
  if (source.sizeBytes < 2 * ENTRY_BYTES) return undefined;
  const first = Buffer.from(await source.read(0, 4));
  const hasDriverMap = first.toString("latin1", 0, 2) === "ER";
  const driverBlockBytes = hasDriverMap ? first.readUInt16BE(2) : 512;
  // With 512 the entries of a CD are found, too; its blocks are then those of the entries.
  for (const blockBytes of new Set([512, driverBlockBytes])) {
    if (!BLOCK_SIZES.includes(blockBytes)) continue;
    const entries = await readEntries(source, blockBytes);
    // Without a driver map two bytes are little: then one entry must describe the map.
    if (entries === undefined || (!hasDriverMap && !entries.some(({ type }) => type === MAP_TYPE))) continue;
    const endBytes = (entries.length + 1) * blockBytes;
    return { blockBytes, entries, ranges: [{ startBytes: 0, endBytes }], hasDriverMap };
  }
  return undefined;
}

async function readEntries(source: BlockSource, blockBytes: number): Promise<AppleEntry[] | undefined> {
  const entries: AppleEntry[] = [];
  for (let number = 1, count = 1; number <= count; number += 1) {
    const at = number * blockBytes;
    if (at + ENTRY_BYTES > source.sizeBytes) return undefined;
    const entry = Buffer.from(await source.read(at, ENTRY_BYTES));
    // Each entry says how many there are; the first one is believed.
    if (number === 1) count = entry.readUInt32BE(4);
    if (entry.toString("latin1", 0, 2) !== "PM" || count < 1 || count > MOST_ENTRIES) return undefined;
    const text = (from: number) => entry.toString("latin1", from, from + 32).replace(/\0.*$/s, "");
    entries.push({
      number,
      startBytes: entry.readUInt32BE(8) * blockBytes,
      sizeBytes: entry.readUInt32BE(12) * blockBytes,
      label: text(16),
      type: text(48),
    });
  }
  return entries;
}
