import { expect, type Volume } from "../free-space/volume.ts";

/**
 * Objects of an APFS container: one block each, with a header and a checksum.
 * Source: Apple File System Reference (2020), "Objects" and "Container".
 */

/** The smallest and the largest block; 4096 is what there is. */
const LEAST_BLOCK_BYTES = 4096;
const MOST_BLOCK_BYTES = 65_536;

/** Blocks of a container by their numbers. */
export type Blocks = { readonly blockBytes: number; read(block: number): Promise<Buffer> };

/** @throws {Implausible} */
export function blocksOf(volume: Volume, blockBytes: number): Blocks {
  const isPower = Number.isInteger(Math.log2(blockBytes));
  expect(
    isPower && blockBytes >= LEAST_BLOCK_BYTES && blockBytes <= MOST_BLOCK_BYTES,
    `its blocks have ${blockBytes} bytes`,
  );
  return { blockBytes, read: (block) => volume.read(block * blockBytes, blockBytes) };
}

/** A 64-bit number as one that JavaScript computes with; what is larger points outside of every disk. */
export function numberAt(bytes: Buffer, at: number): number {
  const value = Number(bytes.readBigUInt64LE(at));
  expect(Number.isSafeInteger(value), "a number in it is too large");
  return value;
}

const MODULUS = 0xffff_ffff;

/** Fletcher's checksum over everything behind the first 8 bytes, which hold it ("o_cksum"). */
export function checksumOf(block: Buffer): bigint {
  let first = 0;
  let second = 0;
  for (let at = 8; at + 4 <= block.length; at += 4) {
    first = (first + block.readUInt32LE(at)) % MODULUS;
    second = (second + first) % MODULUS;
  }
  const low = MODULUS - ((first + second) % MODULUS);
  const high = MODULUS - ((first + low) % MODULUS);
  return (BigInt(high) << 32n) | BigInt(low);
}

export function isWhole(block: Buffer): boolean {
  return block.readBigUInt64LE(0) === checksumOf(block);
}
