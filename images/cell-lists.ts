import { Fault } from "../fault.ts";
import { CELLS_PER_PACK } from "./cell.ts";
import { ID_BYTES } from "./manifest.ts";

/** The most packs that are asked about at once. */
export const MOST_CELL_LISTS = 64;

/**
 * The ids of the cells of several packs, as a host asks about them: for each
 * `count(1) id(32)…`, 1 to 16 of them. No end mark: the bytes end with the last.
 */
export function encodeCellLists(lists: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(lists.flatMap((cellIds) => [Uint8Array.of(cellIds.length / ID_BYTES), cellIds]));
}

/** @throws {Fault} CELLS_INVALID when it is none, too many, or cut off */
export function decodeCellLists(bytes: Uint8Array): Uint8Array[] {
  const lists: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const list = firstList(bytes.subarray(at));
    lists.push(list);
    at += 1 + list.length;
  }
  if (lists.length === 0 || lists.length > MOST_CELL_LISTS) throw invalid(`it asks about ${lists.length} packs`);
  return lists;
}

/** A pack that is to be kept: all of its cells by id, and those that are new as a pack of their own. */
export type PackParcel = {
  readonly cellIds: Uint8Array;
  /** Stored bytes of a pack with some of these cells; empty when none of them is new. */
  readonly pack: Uint8Array;
};

/** `count(1) id(32)… pack`. */
export function encodeParcel({ cellIds, pack }: PackParcel): Uint8Array {
  return Buffer.concat([encodeCellLists([cellIds]), pack]);
}

/** @throws {Fault} CELLS_INVALID */
export function decodeParcel(bytes: Uint8Array): PackParcel {
  const cellIds = firstList(bytes);
  return { cellIds, pack: bytes.subarray(1 + cellIds.length) };
}

/** The longest parcel: no pack of a parcel has more cells than the parcel. */
export function mostParcelBytes(mostPackBytes: number): number {
  return 1 + CELLS_PER_PACK * ID_BYTES + mostPackBytes;
}

/** The ids one by one. */
export function idsOf(cellIds: Uint8Array): Uint8Array[] {
  return Array.from({ length: cellIds.length / ID_BYTES }, (_, index) =>
    cellIds.subarray(index * ID_BYTES, (index + 1) * ID_BYTES),
  );
}

function firstList(bytes: Uint8Array): Uint8Array {
  const count = bytes[0] ?? 0;
  const end = 1 + count * ID_BYTES;
  if (count < 1 || count > CELLS_PER_PACK || bytes.length < end) throw invalid(`a pack of ${count} cells, or cut off`);
  return bytes.subarray(1, end);
}

function invalid(rule: string): Fault {
  return new Fault("CELLS_INVALID", {
    what: `A list of cells cannot be used: ${rule}.`,
    why: "It was made by another version of bootcast, or by a faulty one.",
    fix: 'Build the boot image again on this server: "bootcast boot-image build".',
  });
}
