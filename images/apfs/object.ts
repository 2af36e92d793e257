import type { BlockTarget } from "../block.ts";
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

/** Blocks that can be changed; what was changed is read back. */
export type ChangeableBlocks = Blocks & {
  write(block: number, bytes: Buffer): Promise<void>;
  /** Writes an object of one or more blocks, with its new checksum. */
  seal(block: number, object: Buffer): Promise<void>;
};

/** @param target what `volume` reads from */
export function changeableBlocks(volume: Volume, target: BlockTarget, blockBytes: number): ChangeableBlocks {
  const write = async (block: number, bytes: Buffer) => {
    const at = block * blockBytes;
    expect(at + bytes.length <= volume.sizeBytes, `it points to byte ${at}, outside of itself`);
    await target.write(volume.startBytes + at, bytes);
  };
  const seal = (block: number, object: Buffer) => {
    object.writeBigUInt64LE(checksumOf(object), 0);
    return write(block, object);
  };
  return { ...blocksOf(volume, blockBytes), write, seal };
}

/** obj_phys_t: what every object begins with. */
export const objectAt = { id: 8, transaction: 16, type: 24, subtype: 28 } as const;

/** An object that is what it should be. `what` goes behind "its". @throws {Implausible} */
export async function readObject(blocks: Blocks, block: number, type: number, what: string): Promise<Buffer> {
  const object = await blocks.read(block);
  const isIt = isWhole(object) && (object.readUInt32LE(objectAt.type) & OBJECT_TYPE) === type;
  expect(isIt, `its ${what} is damaged`);
  return object;
}

const OBJECT_TYPE = 0xffff;

export function addTo(bytes: Buffer, at: number, count: number): void {
  bytes.writeBigUInt64LE(BigInt(numberAt(bytes, at) + count), at);
}

/** A 64-bit number as one that JavaScript computes with; what is larger points outside of every disk. */
export function numberAt(bytes: Buffer, at: number): number {
  const value = Number(bytes.readBigUInt64LE(at));
  expect(Number.isSafeInteger(value), "a number in it is too large");
  return value;
}

const MODULUS = 0xffff_ffff;
const WORDS_AT_ONCE = 1024;

/** Fletcher's checksum over everything behind the first 8 bytes, which hold it ("o_cksum"). */
export function checksumOf(block: Buffer): bigint {
  let first = 0;
  let second = 0;
  for (let at = 8; at < block.length; ) {
    // So few words that the sums are exact without a division after each.
    const end = Math.min(block.length - 3, at + WORDS_AT_ONCE * 4);
    for (; at < end; at += 4) {
      first += block.readUInt32LE(at);
      second += first;
    }
    first %= MODULUS;
    second %= MODULUS;
    if (at + 4 > block.length) break;
  }
  const low = MODULUS - ((first + second) % MODULUS);
  const high = MODULUS - ((first + low) % MODULUS);
  return (BigInt(high) << 32n) | BigInt(low);
}

export function isWhole(block: Buffer): boolean {
  return block.readBigUInt64LE(0) === checksumOf(block);
}
