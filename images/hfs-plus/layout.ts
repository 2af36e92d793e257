import { Fault } from "../../fault.ts";
import type { BlockRun } from "../free-space/volume.ts";
import { Catalog } from "./catalog.ts";
import type { PlacedEntry, VolumeEntry } from "./entry.ts";
import { forkData, type Rights } from "./records.ts";
import { idOf, placeSharedFiles } from "./shared-files.ts";
import { TreeBuilder, type TreeNode, treeFile } from "./tree-builder.ts";
import { HEADER_AT, volumeHeader } from "./volume-header.ts";

export const BLOCK_BYTES = 4096;
/** As Mac OS X makes them on volumes of some size. */
const CATALOG_NODE_BYTES = 8192;
/** Free nodes, and free blocks, for who mounts it and writes into it. */
const SPARE_NODES = 16;
const SPARE_BLOCKS = 256;

/** What a new volume is and holds. */
export type NewVolume = {
  readonly name: string;
  readonly root: Rights;
  /** Of the volume itself, since 1970. */
  readonly dateSeconds: number;
  /** 8 bytes. */
  readonly volumeId: Uint8Array;
  /** Path of the folder that firmware looks into for the booter, where there is one. */
  readonly blessed: string;
  readonly entries: readonly VolumeEntry[];
  /** Default: as small as the content, with a MiB besides. */
  readonly sizeBytes?: number;
};

/** Bytes that belong at a place of the volume. */
export type VolumePiece = { readonly atBytes: number; readonly bytes: Uint8Array };

/**
 * Where everything lies on a new HFS Plus volume: clean, not journaled,
 * case-insensitive, every file in one piece.
 *
 *     boot blocks and header | contents | extents and attributes trees | catalog | bitmap | free | header's copy
 *
 * Contents come first, in the order of the entries: they lie where they lay
 * when only names and rights change.
 *
 * Source: Apple TN1150, "HFS Plus Volume Format".
 */
export class VolumeLayout {
  readonly #volume: NewVolume;
  readonly #entries: readonly PlacedEntry[];
  readonly #catalog: Catalog;
  /** First block of each content, ascending, and the entry that it is of. */
  readonly #firstBlocks: Uint32Array;
  readonly #contentEntries: Uint32Array;
  /** By entry; 0 where it has none. */
  readonly #firstBlockOf: Uint32Array;
  readonly #contentEnd: number;

  /** @throws {Fault} NAMES_COLLIDE, VOLUME_TOO_LARGE */
  constructor(volume: NewVolume) {
    this.#volume = volume;
    this.#entries = placeSharedFiles(volume.entries, volume.dateSeconds);
    this.#catalog = new Catalog(this.#entries);
    const withContent = this.#entries.filter(({ sizeBytes }) => sizeBytes > 0).length;
    this.#firstBlocks = new Uint32Array(withContent);
    this.#contentEntries = new Uint32Array(withContent);
    this.#firstBlockOf = new Uint32Array(this.#entries.length);
    let [next, block] = [0, 1];
    for (const [index, { sizeBytes }] of this.#entries.entries()) {
      if (sizeBytes === 0) continue;
      this.#firstBlocks[next] = block;
      this.#contentEntries[next] = index;
      this.#firstBlockOf[index] = block;
      next += 1;
      block += blocksOf(sizeBytes);
    }
    // Blocks have numbers of 32 bits.
    if (block > 0xf0000000) throw tooLarge();
    this.#contentEnd = block;
  }

  /**
   * Everything but contents, in any order; what is not given is zero. At the
   * end it tells the volume's size.
   *
   * @throws {Fault} VOLUME_TOO_SMALL, when a size was given
   */
  *metadata(): Generator<VolumePiece, { readonly sizeBytes: number }> {
    const { name, root, dateSeconds, volumeId, blessed } = this.#volume;
    const trees = this.#contentEnd;
    yield { atBytes: trees * BLOCK_BYTES, bytes: treeFile([], extentsShape) };
    const extents = { first: trees, count: blocksOf(extentsShape.nodeBytes * extentsShape.nodeCount) };
    const attributes = {
      first: trees + extents.count,
      count: blocksOf(attributesShape.nodeBytes * attributesShape.nodeCount),
    };
    yield { atBytes: attributes.first * BLOCK_BYTES, bytes: treeFile([], attributesShape) };
    const catalogFirst = attributes.first + attributes.count;
    const catalogNodes = yield* this.#catalogNodes(catalogFirst * BLOCK_BYTES, { name, rights: root, dateSeconds });
    const catalog = { first: catalogFirst, count: blocksOf(catalogNodes * CATALOG_NODE_BYTES) };
    const bitmapFirst = catalog.first + catalog.count;
    const { totalBlocks, bitmapBlocks } = this.#size(bitmapFirst);
    const usedBlocks = bitmapFirst + bitmapBlocks;
    for (let block = 0; block < bitmapBlocks; block += 1)
      yield { atBytes: (bitmapFirst + block) * BLOCK_BYTES, bytes: bitmapBlock(block, usedBlocks, totalBlocks) };
    const bitmap = { first: bitmapFirst, count: bitmapBlocks };
    const forks = [bitmap, extents, catalog, attributes].map((run) =>
      forkData(run.count * BLOCK_BYTES, run, run.count * BLOCK_BYTES),
    );
    const folders = this.#entries.filter(({ kind }) => kind === "folder").length;
    const header = volumeHeader({
      dateSeconds,
      files: this.#entries.length - folders,
      folders,
      blockBytes: BLOCK_BYTES,
      totalBlocks,
      freeBlocks: totalBlocks - usedBlocks - 1,
      nextFreeBlock: usedBlocks,
      nextCatalogId: idOf(this.#entries.length),
      blessedId: this.#catalog.folderId(blessed),
      volumeId,
      forks,
    });
    const sizeBytes = totalBlocks * BLOCK_BYTES;
    yield { atBytes: HEADER_AT, bytes: header };
    yield { atBytes: sizeBytes - HEADER_AT, bytes: header };
    return { sizeBytes };
  }

  /** The contents, or the parts of them, that lie in a stretch of the volume. */
  *contentsIn(startBytes: number, endBytes: number): Generator<ContentPart> {
    for (let at = this.#contentAt(startBytes); at < this.#firstBlocks.length; at += 1) {
      const index = this.#contentEntries[at]!;
      const { sizeBytes, contentOf } = this.#entries[index]!;
      const contentStart = this.#firstBlocks[at]! * BLOCK_BYTES;
      if (contentStart >= endBytes) return;
      const from = Math.max(startBytes, contentStart);
      const to = Math.min(endBytes, contentStart + sizeBytes);
      if (from < to)
        yield { entry: contentOf ?? index, offset: from - contentStart, atBytes: from, lengthBytes: to - from };
    }
  }

  /** The place in the list of contents of the last one that begins at or before a byte. */
  #contentAt(atBytes: number): number {
    const block = Math.floor(atBytes / BLOCK_BYTES);
    let [low, high] = [0, this.#firstBlocks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#firstBlocks[middle]! <= block) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  *#catalogNodes(
    atBytes: number,
    root: { name: string; rights: Rights; dateSeconds: number },
  ): Generator<VolumePiece, number> {
    const builder = new TreeBuilder(catalogShape);
    const pieceOf = ({ number, bytes }: TreeNode) => ({ atBytes: atBytes + number * CATALOG_NODE_BYTES, bytes });
    const placeOf = (entry: number): BlockRun => ({
      first: this.#firstBlockOf[entry]!,
      count: blocksOf(this.#entries[entry]!.sizeBytes),
    });
    for (const record of this.#catalog.records(root, placeOf)) {
      const leaf = builder.add(record);
      if (leaf !== undefined) yield pieceOf(leaf);
    }
    const rest = builder.finish(SPARE_NODES);
    for (let next = rest.next(); ; next = rest.next()) {
      if (next.done === true) return next.value.nodeCount;
      yield pieceOf(next.value);
    }
  }

  #size(bitmapFirst: number): { readonly totalBlocks: number; readonly bitmapBlocks: number } {
    const bitmapFor = (blocks: number) => Math.ceil(blocks / 8 / BLOCK_BYTES);
    const given = this.#volume.sizeBytes;
    if (given !== undefined) {
      const totalBlocks = Math.floor(given / BLOCK_BYTES);
      const bitmapBlocks = bitmapFor(totalBlocks);
      if (bitmapFirst + bitmapBlocks >= totalBlocks) throw tooSmall(given);
      return { totalBlocks, bitmapBlocks };
    }
    let bitmapBlocks = 1;
    const total = () => bitmapFirst + bitmapBlocks + SPARE_BLOCKS + 1;
    while (bitmapBlocks < bitmapFor(total())) bitmapBlocks += 1;
    return { totalBlocks: total(), bitmapBlocks };
  }
}

/** A part of an entry's content, and where it lies on the volume. */
export type ContentPart = {
  readonly entry: number;
  readonly offset: number;
  readonly atBytes: number;
  readonly lengthBytes: number;
};

const extentsShape = { nodeBytes: 4096, nodeCount: 4, maxKeyBytes: 10, attributes: 2, keyCompareType: 0 };
const attributesShape = { nodeBytes: 8192, nodeCount: 2, maxKeyBytes: 266, attributes: 6, keyCompareType: 0 };
/** Case folds; TN1150 knows the type of comparing only for HFSX, and other trees have 0 there, too. */
const catalogShape = { nodeBytes: CATALOG_NODE_BYTES, maxKeyBytes: 516, attributes: 6, keyCompareType: 0 };

function blocksOf(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES);
}

/** One block of the bitmap: all blocks before `used` are taken, and the last, where the header's copy lies. */
function bitmapBlock(number: number, used: number, total: number): Uint8Array {
  const bits = new Uint8Array(BLOCK_BYTES);
  const first = number * BLOCK_BYTES * 8;
  const whole = Math.min(BLOCK_BYTES, Math.max(0, (used - first) >> 3));
  bits.fill(0xff, 0, whole);
  const mark = (block: number) => {
    bits[(block - first) >> 3]! |= 0x80 >> (block & 7);
  };
  for (let block = first + whole * 8; block < Math.min(used, first + BLOCK_BYTES * 8); block += 1) mark(block);
  if (total - 1 >= first && total - 1 < first + BLOCK_BYTES * 8) mark(total - 1);
  return bits;
}

function tooSmall(sizeBytes: number): Fault {
  return new Fault("VOLUME_TOO_SMALL", {
    what: `A volume of ${sizeBytes} bytes has no room for these files.`,
    why: "The files and the lists of them need more.",
    fix: "Give it more room, or leave files away.",
  });
}

function tooLarge(): Fault {
  return new Fault("VOLUME_TOO_LARGE", {
    what: "The folder is too large for an HFS+ volume.",
    why: "It holds 15 TiB at most, with blocks of 4 KiB.",
    fix: "Leave files away, or make several images.",
  });
}
