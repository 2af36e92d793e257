import type { BlockTarget } from "../block.ts";
import { expect, type Volume } from "../free-space/volume.ts";
import { FreeBlocks } from "./free-blocks.ts";
import { addTo, type ChangeableBlocks, changeableBlocks, isWhole, numberAt, objectAt, readObject } from "./object.ts";
import { ObjectMap } from "./object-map.ts";

/** nx_superblock_t of the Apple File System Reference. */
const at = {
  blockBytes: 36,
  readOnlyFeatures: 56,
  features: 64,
  nextId: 88,
  descriptors: 104,
  descriptorBase: 112,
  descriptorIndex: 136,
  descriptorCount: 140,
  spaceManager: 152,
  objectMap: 160,
  resizing: 1248,
} as const;
/** APFS as macOS 10.13 and later have it; a Fusion Drive has one more. */
const KNOWN_FEATURES = 0x2;
/** Every container has them so. */
const BLOCK_BYTES = 4096;
const CHECKPOINT_MAP = 0x0c;
/** checkpoint_map_phys_t, checkpoint_mapping_t */
const mapAt = { count: 36, entries: 40 } as const;
const ENTRY_BYTES = 40;
const entryAt = { size: 8, id: 24, place: 32 } as const;
const MOST_DESCRIPTORS = 4096;

/**
 * A container in its newest state, to be changed in place: the state keeps its number, so what is changed belongs to it
 * as if macOS had written it so. Only for a disk that nobody else reads, as a copy in memory:
 * half of a change is a damaged container.
 */
export class ContainerEditor {
  readonly blocks: ChangeableBlocks;
  readonly transaction: number;
  readonly #superblock: Buffer;
  readonly #superblockAt: number;
  readonly #free: FreeBlocks;
  readonly objects: ObjectMap;

  private constructor(
    blocks: ChangeableBlocks,
    superblock: { block: Buffer; place: number },
    free: FreeBlocks,
    objects: ObjectMap,
  ) {
    this.blocks = blocks;
    this.#superblock = superblock.block;
    this.#superblockAt = superblock.place;
    this.transaction = numberAt(superblock.block, objectAt.transaction);
    this.#free = free;
    this.objects = objects;
  }

  /** @param target what `container` reads from @throws {Implausible} when it is damaged, or nothing may be changed in it */
  static async open(container: Volume, target: BlockTarget): Promise<ContainerEditor> {
    const start = await container.read(0, BLOCK_BYTES);
    expect(start.toString("latin1", 32, 36) === "NXSB", "it does not begin as a container");
    expect(start.readUInt32LE(at.blockBytes) === BLOCK_BYTES, "its blocks have another length");
    const blocks = changeableBlocks(container, target, BLOCK_BYTES);
    const copy = await blocks.read(0);
    expect(isWhole(copy), "its first block is damaged");
    const count = copy.readUInt32LE(at.descriptors);
    expect(count > 0 && count <= MOST_DESCRIPTORS, "its states lie in many places");
    const base = numberAt(copy, at.descriptorBase);
    const { superblock, place } = await newestState(blocks, base, count);
    const transaction = numberAt(superblock, objectAt.transaction);
    expect(numberAt(copy, objectAt.transaction) <= transaction, "its newest state is damaged");
    const index = superblock.readUInt32LE(at.descriptorIndex);
    const length = superblock.readUInt32LE(at.descriptorCount);
    const placeOf = (descriptor: number) => base + ((index + descriptor) % count);
    const isThere = index < count && length >= 2 && length <= count && placeOf(length - 1) === place;
    expect(isThere, "its newest state is damaged");
    checkContainer(superblock);
    const manager = await findEphemeral(
      blocks,
      Array.from({ length: length - 1 }, (_, descriptor) => placeOf(descriptor)),
      numberAt(superblock, at.spaceManager),
    );
    return new ContainerEditor(
      blocks,
      { block: superblock, place },
      await FreeBlocks.open(blocks, { ...manager, transaction }),
      await ObjectMap.open(blocks, numberAt(superblock, at.objectMap)),
    );
  }

  /** A block that nothing uses; it is taken then. @throws {Implausible} */
  takeBlock(): Promise<number> {
    return this.#free.take();
  }

  /** A number that no object has. */
  async newId(): Promise<number> {
    const id = numberAt(this.#superblock, at.nextId);
    addTo(this.#superblock, at.nextId, 1);
    await this.blocks.seal(this.#superblockAt, this.#superblock);
    // The copy of a Mac that was not shut down is older, and says so. Else it differs in counters that nobody compares.
    const copy = Buffer.from(await this.blocks.read(0));
    if (numberAt(copy, objectAt.transaction) !== this.transaction) return id;
    copy.writeBigUInt64LE(this.#superblock.readBigUInt64LE(at.nextId), at.nextId);
    await this.blocks.seal(0, copy);
    return id;
  }
}

/** As macOS finds it: nothing is ever written over, so it is whole, however the Mac was switched off. */
async function newestState(
  blocks: ChangeableBlocks,
  base: number,
  count: number,
): Promise<{ superblock: Buffer; place: number }> {
  let newest: { superblock: Buffer; place: number } | undefined;
  for (let place = base; place < base + count; place += 1) {
    const block = await blocks.read(place);
    if (block.toString("latin1", 32, 36) !== "NXSB" || !isWhole(block)) continue;
    const before = newest === undefined ? -1 : numberAt(newest.superblock, objectAt.transaction);
    if (numberAt(block, objectAt.transaction) > before) newest = { superblock: Buffer.from(block), place };
  }
  expect(newest !== undefined, "its newest state is damaged");
  return newest;
}

function checkContainer(superblock: Buffer): void {
  expect(
    numberAt(superblock, at.features) === KNOWN_FEATURES,
    "it is a Fusion Drive, or newer than what is known here",
  );
  expect(numberAt(superblock, at.readOnlyFeatures) === 0, "it is newer than what is known here");
  expect(numberAt(superblock, at.resizing + 8) === 0, "its size was being changed");
}

/** Where an object is of which each state has its own: named in the blocks in front of the state. */
async function findEphemeral(
  blocks: ChangeableBlocks,
  maps: readonly number[],
  id: number,
): Promise<{ place: number; sizeBytes: number }> {
  for (const block of maps) {
    const map = await readObject(blocks, block, CHECKPOINT_MAP, "newest state");
    const count = map.readUInt32LE(mapAt.count);
    expect(mapAt.entries + count * ENTRY_BYTES <= map.length, "its newest state is damaged");
    for (let index = 0; index < count; index += 1) {
      const entry = map.subarray(mapAt.entries + index * ENTRY_BYTES);
      if (numberAt(entry, entryAt.id) !== id) continue;
      return { place: numberAt(entry, entryAt.place), sizeBytes: entry.readUInt32LE(entryAt.size) };
    }
  }
  expect(false, "its newest state is damaged");
}
