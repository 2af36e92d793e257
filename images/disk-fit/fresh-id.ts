import { createHash } from "node:crypto";

/**
 * New numbers for those that a disk has. The first half comes from the old number, the second half from the first: so
 * a number that was made with this seed is known again, and a plan that is made once more does not renew it twice.
 * Of a short one (4 bytes) one in 65,536 is taken for a new one, and stays.
 */

/**
 * @param seed of this restore of this machine
 * @param old the number as it is written down; the same one in two places (a partition, and what names it) stays one
 * @returns 16 bytes, a random UUID as RFC 9562 has them
 */
export function freshId(seed: string, old: string): Buffer {
  const id = freshBytes(seed, old, 16);
  id[6] = (id[6]! & 0x0f) | 0x40;
  id.set(secondHalf(seed, id.subarray(0, 8)), 8);
  id[8] = (id[8]! & 0x3f) | 0x80;
  return id;
}

/** A shorter one: volume serials of FAT (4 bytes) and NTFS (8), the disk's number in an MBR (4). Never zero. */
export function freshBytes(seed: string, old: string, length: number): Buffer {
  const bytes = digest("old", seed, old.toLowerCase()).subarray(0, length);
  // Systems take 0 for "none".
  bytes[0]! |= 1;
  bytes.set(secondHalf(seed, bytes.subarray(0, length / 2)), length / 2);
  return bytes;
}

/** Whether a number was made with this seed. */
export function isFresh(seed: string, id: Uint8Array): boolean {
  const half = id.length / 2;
  const expected = secondHalf(seed, id.subarray(0, half));
  if (id.length === 16) expected[0] = (expected[0]! & 0x3f) | 0x80;
  return Buffer.compare(expected, id.subarray(half)) === 0;
}

function secondHalf(seed: string, first: Uint8Array): Buffer {
  return digest("half", seed, Buffer.from(first).toString("hex")).subarray(0, first.length);
}

function digest(...words: readonly string[]): Buffer {
  return createHash("sha256")
    .update(JSON.stringify(["bootcast number", ...words]))
    .digest();
}

/** "0b1c2d3e-…": bytes in their order, as file systems of Linux keep them. */
export function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

/** The first three groups are little-endian numbers in a GPT. The same both ways: GPT's bytes ► UUID's, and back. */
export function swappedGuid(bytes: Uint8Array): Buffer {
  const guid = Buffer.from(bytes);
  guid.subarray(0, 4).reverse();
  guid.subarray(4, 6).reverse();
  guid.subarray(6, 8).reverse();
  return guid;
}
