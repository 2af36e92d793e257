import { createHash } from "node:crypto";

/** One cell: the unit that is named, compared and repaired. 64 KiB at a multiple of 64 KiB of the disk. */
export const CELL_BYTES = 65536;

/** At most so many consecutive cells share one pack: 1 MiB plain. */
export const CELLS_PER_PACK = 16;

const zeros = new Uint8Array(CELL_BYTES);

/** How many cells a disk of `diskBytes` has; the last one may be short. */
export function cellCount(diskBytes: number): number {
  return Math.ceil(diskBytes / CELL_BYTES);
}

/** How many bytes cell `cell` of a disk of `diskBytes` has: CELL_BYTES, or fewer for the last one. */
export function cellLength(cell: number, diskBytes: number): number {
  return Math.min(CELL_BYTES, diskBytes - cell * CELL_BYTES);
}

/** A cell's name: the SHA-256 of its plain bytes, 32 bytes. */
export function cellId(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

/** True when every byte is zero. Compares with a zero page because that runs at memory speed. */
export function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, zeros.subarray(0, bytes.length)) === 0;
}
