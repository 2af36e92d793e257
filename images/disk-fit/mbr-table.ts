import type { BlockSource } from "../block.ts";
import { MBR_BYTES } from "../mbr.ts";
import type { DiskWrite, PartitionPlaces } from "./disk-write.ts";
import { freshBytes, isFresh } from "./fresh-id.ts";

const DISK_ID_AT = 440;
const ENTRIES_AT = 446;
const EXTENDED_TYPES = [0x05, 0x0f, 0x85];
const MOST_LOGICAL = 128;
/** An entry counts sectors in 32 bits. */
const MOST_SECTORS = 2 ** 32 - 1;
/** Cylinder, head and sector of a place that they cannot say. */
const BEYOND_CHS = Buffer.from([0xfe, 0xff, 0xff]);

/** A logical partition: its record lies before it. Sectors of the disk. */
type Logical = {
  readonly number: number;
  readonly record: Buffer;
  readonly recordSector: number;
  readonly startSector: number;
  readonly sectors: number;
};

/** A master boot record and the records that hang on it. */
export type MbrTable = {
  readonly sectorBytes: number;
  readonly mbr: Buffer;
  readonly logicals: readonly Logical[];
  /** Which of the four entries is the container of the logical ones. */
  readonly container: { readonly slot: number; readonly startSector: number; readonly sectors: number } | undefined;
  /** Why it is not changed, in words. */
  readonly keeps: string | undefined;
};

/** Reads what `mbrWrites` changes. Logical partitions are numbered as in `readMbrPartitions`. */
export async function readMbrTable(source: BlockSource, sectorBytes: number): Promise<MbrTable> {
  const mbr = Buffer.from(await source.read(0, MBR_BYTES));
  const containers = [0, 1, 2, 3]
    .map((slot) => ({ slot, entry: entryOf(mbr, slot) }))
    .filter(({ entry }) => EXTENDED_TYPES.includes(entry.type));
  const table = { sectorBytes, mbr, logicals: [], container: undefined, keeps: undefined };
  const [first, ...others] = containers;
  if (first === undefined) return table;
  if (others.length > 0) return { ...table, keeps: "its table has several containers of logical partitions" };
  const container = { slot: first.slot, startSector: first.entry.startSector, sectors: first.entry.sectors };
  const logicals: Logical[] = [];
  let recordSector = container.startSector;
  for (;;) {
    const at = recordSector * sectorBytes;
    const isInside = at + MBR_BYTES <= source.sizeBytes && logicals.length < MOST_LOGICAL;
    const record = isInside ? Buffer.from(await source.read(at, MBR_BYTES)) : undefined;
    if (record?.readUInt16LE(510) !== 0xaa55) return { ...table, keeps: "its chain of logical partitions is broken" };
    const [own, next] = [entryOf(record, 0), entryOf(record, 1)];
    if (own.type === 0) {
      // Somebody keeps that room for later.
      return { ...table, keeps: "it has a container of logical partitions with room in it" };
    }
    const startSector = recordSector + own.startSector;
    logicals.push({ number: 5 + logicals.length, record, recordSector, startSector, sectors: own.sectors });
    if (next.type === 0) return { ...table, container, logicals };
    recordSector = container.startSector + next.startSector;
  }
}

/** The first byte that no partition may take, on a disk of `diskBytes`. */
export function mbrEndBytes({ sectorBytes }: MbrTable, diskBytes: number): number {
  return Math.min(Math.floor(diskBytes / sectorBytes), MOST_SECTORS) * sectorBytes;
}

/** False when a logical partition ends behind the container: a power cut came between the records. */
export function isMbrWhole({ container, logicals }: MbrTable): boolean {
  if (container === undefined) return true;
  return logicals.every(
    ({ startSector, sectors }) => startSector + sectors <= container.startSector + container.sectors,
  );
}

/** Bytes between a logical partition and its record; 0 for a primary one. */
export function headBytesOf(table: MbrTable, number: number): number {
  const logical = table.logicals.find((one) => one.number === number);
  return logical === undefined ? 0 : (logical.startSector - logical.recordSector) * table.sectorBytes;
}

/** Another number for the disk: old to new of what PARTUUID= says of each partition. */
export function renewDiskId(
  table: MbrTable,
  numbers: readonly number[],
  seed: string,
): { table: MbrTable; renewed: Map<string, string> } {
  const mbr = Buffer.from(table.mbr);
  const text = () => mbr.readUInt32LE(DISK_ID_AT).toString(16).padStart(8, "0");
  const old = text();
  if (isFresh(seed, mbr.subarray(DISK_ID_AT, DISK_ID_AT + 4))) return { table, renewed: new Map() };
  mbr.set(freshBytes(seed, old, 4), DISK_ID_AT);
  const suffixes = numbers.map((number) => `-${number.toString(16).padStart(2, "0")}`);
  return { table: { ...table, mbr }, renewed: new Map(suffixes.map((suffix) => [old + suffix, text() + suffix])) };
}

/**
 * The table with partitions in other places: the records of logical ones first, the first sector last.
 *
 * @param places of partitions that change; the others stay
 */
export function mbrWrites(table: MbrTable, places: PartitionPlaces): DiskWrite[] {
  const { sectorBytes, container } = table;
  const mbr = Buffer.from(table.mbr);
  const logicals = table.logicals.map((one) => movedLogical(one, places, sectorBytes));
  for (const [number, { startBytes, endBytes }] of places) {
    if (number > 4) continue;
    setEntry(mbr, number - 1, startBytes / sectorBytes, (endBytes - startBytes) / sectorBytes);
  }
  const [first] = logicals;
  if (container === undefined || first === undefined) return [{ at: 0, bytes: mbr }];
  const last = logicals.at(-1)!;
  const end = Math.max(container.startSector + container.sectors, last.startSector + last.sectors);
  setEntry(mbr, container.slot, first.recordSector, end - first.recordSector);
  const records = logicals.map((one, index) => {
    const next = logicals[index + 1];
    const record = Buffer.from(one.record);
    setEntry(record, 0, one.startSector - one.recordSector, one.sectors);
    // A link counts from the container's beginning, and covers the next record with its partition.
    if (next !== undefined) {
      setEntry(record, 1, next.recordSector - first.recordSector, next.startSector + next.sectors - next.recordSector);
    }
    return { at: one.recordSector * sectorBytes, bytes: record };
  });
  return [...records.toReversed(), { at: 0, bytes: mbr }];
}

function movedLogical(one: Logical, places: PartitionPlaces, sectorBytes: number): Logical {
  const place = places.get(one.number);
  if (place === undefined) return one;
  const startSector = place.startBytes / sectorBytes;
  return {
    ...one,
    startSector,
    recordSector: startSector - (one.startSector - one.recordSector),
    sectors: (place.endBytes - place.startBytes) / sectorBytes,
  };
}

function entryOf(record: Buffer, slot: number): { type: number; startSector: number; sectors: number } {
  const at = ENTRIES_AT + slot * 16;
  return {
    type: record.readUInt8(at + 4),
    startSector: record.readUInt32LE(at + 8),
    sectors: record.readUInt32LE(at + 12),
  };
}

/** Changes place and length of an entry; what did not change keeps the cylinders that are written for it. */
function setEntry(record: Buffer, slot: number, startSector: number, sectors: number): void {
  const at = ENTRIES_AT + slot * 16;
  const before = entryOf(record, slot);
  if (before.startSector === startSector && before.sectors === sectors) return;
  if (before.startSector !== startSector) record.set(BEYOND_CHS, at + 1);
  record.set(BEYOND_CHS, at + 5);
  record.writeUInt32LE(startSector, at + 8);
  record.writeUInt32LE(sectors, at + 12);
}
