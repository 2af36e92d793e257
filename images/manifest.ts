import { createHash } from "node:crypto";
import { CELL_BYTES, cellId, cellLength } from "./cell.ts";
import type { CellMap } from "./cell-map.ts";

/** Who made an image, when, and what it is: shown to people, never used to decide. */
export type ImageTag = {
  readonly name: string;
  /** Counts up from 1 with every image of the same name. */
  readonly version: number;
  readonly builder: string;
  readonly createdAtMs: number;
  readonly notes: string;
};

/** "apm" is Apple's partition map. */
export type PartitionScheme = "gpt" | "mbr" | "apm" | "none";

/** One partition of the imaged disk, as far as the agent and the lists need it. */
export type Partition = {
  /** 1-based, as the operating system counts. */
  readonly number: number;
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** GPT type GUID in upper case, the MBR type as two hex digits, or Apple's name of the type. */
  readonly type: string;
  /** The partition's name in a GPT or Apple's map; empty for MBR. */
  readonly label: string;
  /** "ext4", "hfsplus", "vfat", "ntfs", … as found by its magic; empty when unknown. */
  readonly fileSystem: string;
};

/** One stored pack, in stream order. */
export type PackEntry = {
  /** SHA-256 of the stored bytes, lower-case hex: the pack's name in the store and on the wire. */
  readonly digest: string;
  readonly storedBytes: number;
  /** The number of its first cell when the stored cells of all packs are counted through. */
  readonly firstStored: number;
  /** The ids of the cells inside, in the pack's order, 32 bytes each, laid end to end. */
  readonly cellIds: Uint8Array;
};

/**
 * One immutable image version.
 *
 * `packs` is in stream order: ascending disk offset, and the packs that hold
 * the cells of the partition table last, so that a restore that stops half-way
 * never leaves a disk that looks bootable.
 */
export type Manifest = {
  readonly tag: ImageTag;
  readonly diskBytes: number;
  readonly sectorBytes: number;
  readonly scheme: PartitionScheme;
  readonly partitions: readonly Partition[];
  readonly packs: readonly PackEntry[];
  /** The ids of the stored cells of all packs, in stream order, 32 bytes each, laid end to end. */
  readonly cellIds: Uint8Array;
  /** One place for each cell of the disk, by cell number. */
  readonly cells: CellMap;
  /** The cells that hold the partition table (first sectors and GPT backup), ascending; written last. */
  readonly tableCells: readonly number[];
  /** SHA-256 over all cell ids in disk order (a zero cell has the id of its zeros, an unused one 32 zero bytes). */
  readonly root: Uint8Array;
};

/** Length of a cell id, a pack digest and a root. */
export const ID_BYTES = 32;

/** True for names that are also safe as a directory name: letters, digits, dot, dash, underscore; at most 64. */
export function isImageName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name);
}

/** The id of a stored cell, counted through all packs. */
export function storedCellId(manifest: Manifest, stored: number): Uint8Array {
  return manifest.cellIds.subarray(stored * ID_BYTES, (stored + 1) * ID_BYTES);
}

/** How many cells a pack holds. */
export function packCellCount(pack: PackEntry): number {
  return pack.cellIds.length / ID_BYTES;
}

/** The number of the pack that holds a stored cell, by binary search. */
export function packOfStored(packs: readonly PackEntry[], stored: number): number {
  let low = 0;
  let high = packs.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (packs[middle]!.firstStored <= stored) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** True when `cell` holds a part of the partition table and so must be written after all others. */
export function isTableCell(manifest: Manifest, cell: number): boolean {
  return manifest.tableCells.includes(cell);
}

/** The packs that hold the partition table, ascending: always the last ones of the stream, and nothing else is in them. */
export function tablePacks(manifest: Manifest): number[] {
  const packs = new Set<number>();
  for (const cell of manifest.tableCells) {
    const place = manifest.cells.at(cell);
    if (place.state === "data") packs.add(packOfStored(manifest.packs, place.stored));
  }
  return [...packs].sort((a, b) => a - b);
}

/** The bytes of the disk that hold data: neither zero nor unused. Equal cells count each time. */
export function dataBytes({ cells, diskBytes }: Pick<Manifest, "cells" | "diskBytes">): number {
  let count = 0;
  for (const run of cells.runs()) if (run.state === "data") count += run.count;
  return Math.min(count * CELL_BYTES, diskBytes);
}

const ROOT_STEP = 4096;

/** The root over all cell ids in disk order. */
export function rootOf(cells: CellMap, cellIds: Uint8Array, diskBytes: number): Uint8Array {
  const hash = createHash("sha256");
  const zeroId = cellId(new Uint8Array(CELL_BYTES));
  const zeroIds = Buffer.alloc(ROOT_STEP * ID_BYTES, zeroId);
  const unusedIds = Buffer.alloc(ROOT_STEP * ID_BYTES);
  const lastCell = cells.length - 1;
  const lastLength = cellLength(lastCell, diskBytes);
  const repeat = (ids: Buffer, count: number) => {
    for (let left = count; left > 0; left -= ROOT_STEP)
      hash.update(ids.subarray(0, Math.min(left, ROOT_STEP) * ID_BYTES));
  };
  for (const { state, firstCell, count, firstStored } of cells.runs()) {
    if (state === "data") hash.update(cellIds.subarray(firstStored * ID_BYTES, (firstStored + count) * ID_BYTES));
    else if (state === "unused") repeat(unusedIds, count);
    else if (firstCell + count - 1 === lastCell && lastLength < CELL_BYTES) {
      repeat(zeroIds, count - 1);
      hash.update(cellId(new Uint8Array(lastLength)));
    } else repeat(zeroIds, count);
  }
  return hash.digest();
}
