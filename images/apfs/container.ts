import { expect, type Volume } from "../free-space/volume.ts";
import { type Blocks, blocksOf, isWhole, numberAt } from "./object.ts";
import { ObjectMap } from "./object-map.ts";
import type { Tree } from "./tree.ts";

/** One volume of an APFS container. Apple File System Reference, apfs_superblock_t. */
export type ApfsVolume = {
  /** Its number among the objects of the container. */
  readonly id: number;
  readonly name: string;
  /** "role": what macOS uses it for; 0 before macOS 10.15. */
  readonly role: number;
  /** Its names cannot be read without a key. */
  readonly isEncrypted: boolean;
  readonly blocks: Blocks;
  /** Of all its files and folders. */
  readonly tree: Tree;
};

export const SYSTEM_ROLE = 0x01;
/** Beside a system that is sealed: all that changes. */
export const DATA_ROLE = 0x40;

/** Checkpoint descriptors: a large disk has some hundreds. */
const MOST_DESCRIPTORS = 4096;
const SCATTERED = 0x8000_0000;
const MOST_VOLUMES = 100;
const UNENCRYPTED = 1n;
const PHYSICAL = 0x4000_0000;

/**
 * The volumes of a container in its newest state. Reads only; a container of a Mac that was not shut down may have a
 * newer state than this one in its Fusion drive or in nothing at all.
 *
 * @throws {Implausible} when it is damaged
 */
export async function readApfsVolumes(container: Volume): Promise<ApfsVolume[]> {
  const first = await container.read(0, 4096);
  expect(first.toString("latin1", 32, 36) === "NXSB", "it does not begin as a container");
  const blocks = blocksOf(container, first.readUInt32LE(36));
  const superblock = await newestSuperblock(blocks, first);
  const map = await ObjectMap.open(blocks, numberAt(superblock, 160));
  const volumes: ApfsVolume[] = [];
  const count = Math.min(superblock.readUInt32LE(180), MOST_VOLUMES);
  for (let index = 0; index < count; index += 1) {
    const id = numberAt(superblock, 184 + index * 8);
    if (id !== 0) volumes.push(await volumeAt(blocks, id, (await map.find(id)).block));
  }
  return volumes;
}

/** That of the newest checkpoint that is whole. */
async function newestSuperblock(blocks: Blocks, first: Buffer): Promise<Buffer> {
  const count = first.readUInt32LE(104);
  let newest = await blocks.read(0);
  if ((count & SCATTERED) !== 0) return newest;
  const base = numberAt(first, 112);
  for (let index = 0; index < Math.min(count, MOST_DESCRIPTORS); index += 1) {
    const block = await blocks.read(base + index);
    if (block.toString("latin1", 32, 36) !== "NXSB" || !isWhole(block)) continue;
    if (numberAt(block, 16) > numberAt(newest, 16)) newest = block;
  }
  return newest;
}

async function volumeAt(blocks: Blocks, id: number, block: number): Promise<ApfsVolume> {
  const superblock = await blocks.read(block);
  expect(isWhole(superblock) && superblock.toString("latin1", 32, 36) === "APSB", "a volume of it is damaged");
  const isPhysical = (superblock.readUInt32LE(116) & PHYSICAL) !== 0;
  const blockOf = isPhysical ? async (child: number) => child : await placesOf(blocks, numberAt(superblock, 128));
  const name = superblock.subarray(704, 960);
  return {
    id,
    name: name.toString("utf8", 0, Math.max(0, name.indexOf(0))),
    role: superblock.readUInt16LE(964),
    isEncrypted: (superblock.readBigUInt64LE(264) & UNENCRYPTED) === 0n,
    blocks,
    tree: { rootBlock: await blockOf(numberAt(superblock, 136)), blockOf },
  };
}

async function placesOf(blocks: Blocks, mapBlock: number): Promise<(id: number) => Promise<number>> {
  const map = await ObjectMap.open(blocks, mapBlock);
  return async (id) => (await map.find(id)).block;
}
