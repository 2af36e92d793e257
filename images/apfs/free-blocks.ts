import { expect } from "../free-space/volume.ts";
import { addTo, type ChangeableBlocks, isWhole, numberAt, objectAt, readObject } from "./object.ts";

/** Apple File System Reference, "Space Manager": spaceman_phys_t, chunk_info_block_t, chunk_info_t. */
const SPACE_MANAGER = 0x05;
const CHUNK_INFO_BLOCK = 0x07;
const at = { blocksPerChunk: 36, chunks: 56, infoBlocks: 64, addressBlocks: 68, free: 72, infoOffset: 80 } as const;
const reserveAt = { blocks: 184, taken: 192 } as const;
const infoBlockAt = { count: 36, chunks: 40 } as const;
const CHUNK_BYTES = 32;
const chunkAt = { transaction: 0, first: 8, blocks: 16, free: 20, bitmap: 24 } as const;
/** The upper bits of a count of free blocks have no meaning yet. */
const COUNT = 0xf_ffff;
const MOST_MANAGER_BYTES = 1 << 20;

/** The free blocks of a container: which of them nothing uses, and the counts of them. */
export class FreeBlocks {
  readonly #blocks: ChangeableBlocks;
  readonly #place: number;
  readonly #manager: Buffer;
  readonly #transaction: number;

  private constructor(blocks: ChangeableBlocks, place: number, manager: Buffer, transaction: number) {
    this.#blocks = blocks;
    this.#place = place;
    this.#manager = manager;
    this.#transaction = transaction;
  }

  /** @param place where the newest state has its space manager @throws {Implausible} */
  static async open(
    blocks: ChangeableBlocks,
    { place, sizeBytes, transaction }: { place: number; sizeBytes: number; transaction: number },
  ): Promise<FreeBlocks> {
    const { blockBytes } = blocks;
    const count = sizeBytes / blockBytes;
    expect(Number.isInteger(count) && count > 0 && sizeBytes <= MOST_MANAGER_BYTES, "its space manager is damaged");
    const parts = [];
    for (let index = 0; index < count; index += 1) parts.push(await blocks.read(place + index));
    const manager = Buffer.concat(parts);
    const isIt = isWhole(manager) && (manager.readUInt32LE(objectAt.type) & 0xffff) === SPACE_MANAGER;
    expect(isIt && numberAt(manager, objectAt.transaction) === transaction, "its space manager is damaged");
    expect(manager.readUInt32LE(at.blocksPerChunk) === blockBytes * 8, "its space manager is of another kind");
    expect(manager.readUInt32LE(at.addressBlocks) === 0, "it is larger than what is written to here");
    return new FreeBlocks(blocks, place, manager, transaction);
  }

  /** Takes one block that nothing uses. @throws {Implausible} when there is none */
  async take(): Promise<number> {
    const reserved = numberAt(this.#manager, reserveAt.blocks) - numberAt(this.#manager, reserveAt.taken);
    expect(numberAt(this.#manager, at.free) > Math.max(0, reserved), "there is no free space in it");
    const offset = this.#manager.readUInt32LE(at.infoOffset);
    const count = this.#manager.readUInt32LE(at.infoBlocks);
    expect(offset + count * 8 <= this.#manager.length, "its space manager is damaged");
    for (let index = 0; index < count; index += 1) {
      const taken = await this.#takeFrom(numberAt(this.#manager, offset + index * 8));
      if (taken === undefined) continue;
      addTo(this.#manager, at.free, -1);
      await this.#blocks.seal(this.#place, this.#manager);
      return taken;
    }
    // A stretch of which nothing was ever used has no map yet.
    expect(false, "no part of it that is in use has free space");
  }

  async #takeFrom(infoBlock: number): Promise<number | undefined> {
    const info = Buffer.from(await readObject(this.#blocks, infoBlock, CHUNK_INFO_BLOCK, "map of free space"));
    const count = info.readUInt32LE(infoBlockAt.count);
    expect(infoBlockAt.chunks + count * CHUNK_BYTES <= info.length, "its map of free space is damaged");
    for (let index = 0; index < count; index += 1) {
      const chunk = info.subarray(infoBlockAt.chunks + index * CHUNK_BYTES);
      const bitmapBlock = numberAt(chunk, chunkAt.bitmap);
      const free = chunk.readUInt32LE(chunkAt.free);
      if (bitmapBlock === 0 || (free & COUNT) === 0) continue;
      const bitmap = Buffer.from(await this.#blocks.read(bitmapBlock));
      const blocks = chunk.readUInt32LE(chunkAt.blocks);
      expect(blocks <= bitmap.length * 8, "its map of free space is damaged");
      const places = freeIn(bitmap, blocks);
      expect(places.count === (free & COUNT), "its count of free blocks is wrong");
      bitmap[places.first >> 3]! |= 1 << (places.first & 7);
      await this.#blocks.write(bitmapBlock, bitmap);
      chunk.writeUInt32LE(free - 1, chunkAt.free);
      chunk.writeBigUInt64LE(BigInt(this.#transaction), chunkAt.transaction);
      info.writeBigUInt64LE(BigInt(this.#transaction), objectAt.transaction);
      await this.#blocks.seal(infoBlock, info);
      return numberAt(chunk, chunkAt.first) + places.first;
    }
    return undefined;
  }
}

function freeIn(bitmap: Buffer, blocks: number): { first: number; count: number } {
  let first = -1;
  let count = 0;
  for (let block = 0; block < blocks; block += 1) {
    if ((bitmap[block >> 3]! & (1 << (block & 7))) !== 0) continue;
    if (first < 0) first = block;
    count += 1;
  }
  return { first, count };
}
