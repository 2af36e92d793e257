import type { TreeShape } from "../hfs-plus/tree-builder.ts";
import { type BlockRun, expect, type Volume } from "./volume.ts";

/** A tree: where its fork stands in the header, and the file's id. */
export type TreePlace = { readonly forkAt: number; readonly id: number };
export const treePlace = {
  extents: { forkAt: 192, id: 3 },
  catalog: { forkAt: 272, id: 4 },
  attributes: { forkAt: 352, id: 8 },
} as const;

/** The first part of a fork's place: its length and up to eight stretches of blocks. */
export type Fork = { readonly sizeBytes: number; readonly blocks: number; readonly runs: readonly BlockRun[] };

const HEADER_AT = 1024;
const FORK_BYTES = 80;
const EXTENTS_IN_FORK = 8;
const EXTENTS_FILE = treePlace.extents.id;
/** In the keys of the extents overflow file. */
export const forkType = { data: 0, resource: 0xff } as const;
export type ForkType = (typeof forkType)[keyof typeof forkType];
const LEAF = -1;
const INDEX = 0;
const MOST_DEPTH = 16;
/** A leaf that is visited twice would be visited for ever. */
const MOST_LEAVES = 1 << 16;
const MOST_EXTENTS = 1 << 20;

/**
 * As much of HFS Plus as is needed to find its bitmap and a few files. Big-endian.
 * Source: Apple TN1150, "HFS Plus Volume Format".
 */
export class HfsPlusVolume {
  readonly volume: Volume;
  readonly header: Buffer;
  readonly blockBytes: number;
  readonly blocks: number;

  private constructor(volume: Volume, header: Buffer) {
    this.volume = volume;
    this.header = header;
    this.blockBytes = header.readUInt32BE(40);
    this.blocks = header.readUInt32BE(44);
    const isBlock =
      this.blockBytes >= 512 && this.blockBytes <= 1 << 26 && (this.blockBytes & (this.blockBytes - 1)) === 0;
    expect(isBlock, "its block size is impossible");
    expect(this.blocks > 0 && this.blocks * this.blockBytes <= volume.sizeBytes, "it is larger than its partition");
  }

  /** Opens it, also inside of the HFS wrapper that old systems needed to start. @throws {Implausible} */
  static async open(volume: Volume): Promise<HfsPlusVolume> {
    const header = await volume.read(HEADER_AT, 512);
    if (header.toString("latin1", 0, 2) !== "BD") return new HfsPlusVolume(volume, header);
    const wrapperBlockBytes = header.readUInt32BE(0x14);
    const at = header.readUInt16BE(0x1c) * 512 + header.readUInt16BE(0x7e) * wrapperBlockBytes;
    const inner = volume.part(at, header.readUInt16BE(0x80) * wrapperBlockBytes);
    return new HfsPlusVolume(inner, await inner.read(HEADER_AT, 512));
  }

  /** The place of one of the five special files, from the volume header. @param at its offset there */
  async specialFile(at: number, id: number): Promise<BlockRun[]> {
    return this.allRuns(decodeFork(this.header.subarray(at, at + FORK_BYTES)), id);
  }

  /** All stretches of a fork: those beyond eight are in the extents overflow file. @throws {Implausible} */
  async allRuns(fork: Fork, id: number, type: ForkType = forkType.data): Promise<BlockRun[]> {
    const runs = [...fork.runs];
    let known = this.#checked(runs);
    if (known < fork.blocks) {
      expect(id !== EXTENTS_FILE, "its extents file is not whole");
      const tree = await this.#tree(treePlace.extents.forkAt, EXTENTS_FILE);
      const from = (key: Buffer) => compareNumbers(extentKey(key), [id, type, 0]);
      for await (const { key, data } of recordsFrom(tree, from)) {
        const [fileId, ofType, startBlock] = extentKey(key);
        if (fileId !== id || ofType !== type || known >= fork.blocks) break;
        expect(startBlock === known && data.length >= EXTENTS_IN_FORK * 8, "the stretches of a file have gaps");
        const more = decodeExtents(data);
        known += this.#checked(more);
        runs.push(...more);
        expect(more.length > 0 && runs.length <= MOST_EXTENTS, "the stretches of a file are damaged");
      }
    }
    expect(known === fork.blocks, "a file is not where it says");
    return runs;
  }

  /** The catalog's records of what is in a folder, with their names. */
  async *children(folderId: number): AsyncGenerator<{ readonly name: string; readonly data: Buffer }> {
    const tree = await this.#tree(treePlace.catalog.forkAt, treePlace.catalog.id);
    for await (const { key, data } of recordsFrom(tree, (one) => one.readUInt32BE(2) - folderId)) {
      if (key.readUInt32BE(2) !== folderId) return;
      const end = 8 + key.readUInt16BE(6) * 2;
      expect(end <= key.length, "a name of its catalog is damaged");
      yield { name: Buffer.from(key.subarray(8, end)).swap16().toString("utf16le"), data };
    }
  }

  /** All records of one of its trees, in the order of their keys. @throws {Implausible} */
  async *records({ forkAt, id }: TreePlace): AsyncGenerator<{ readonly key: Buffer; readonly data: Buffer }> {
    yield* recordsFrom(await this.#tree(forkAt, id), () => 0);
  }

  /** How one of its trees is built; undefined when it has none of it. @throws {Implausible} */
  async treeShape({ forkAt, id }: TreePlace): Promise<(TreeShape & { readonly nodeCount: number }) | undefined> {
    if (this.header.readBigUInt64BE(forkAt) === 0n) return undefined;
    const header = await (await this.#tree(forkAt, id)).file.read(0, 128);
    return {
      nodeBytes: header.readUInt16BE(32),
      nodeCount: header.readUInt32BE(36),
      maxKeyBytes: header.readUInt16BE(34),
      attributes: header.readUInt32BE(52),
      keyCompareType: header.readUInt8(51),
    };
  }

  /** Checks that all of `runs` are inside of the volume, and returns how many blocks they have. */
  #checked(runs: readonly BlockRun[]): number {
    let blocks = 0;
    for (const { first, count } of runs) {
      expect(first + count <= this.blocks, "a file leads out of it");
      blocks += count;
    }
    return blocks;
  }

  async #tree(forkAt: number, id: number): Promise<Tree> {
    const runs = await this.specialFile(forkAt, id);
    const file = new FileInRuns(this.volume, runs, this.blockBytes);
    const header = await file.read(0, 128);
    const tree = {
      file,
      depth: header.readUInt16BE(14),
      root: header.readUInt32BE(16),
      nodeBytes: header.readUInt16BE(32),
    };
    const isNode = tree.nodeBytes >= 512 && tree.nodeBytes <= 32768 && tree.depth <= MOST_DEPTH;
    expect(isNode, "one of its trees is damaged");
    return tree;
  }
}

export function decodeFork(bytes: Buffer): Fork {
  return {
    sizeBytes: Number(bytes.readBigUInt64BE(0)),
    blocks: bytes.readUInt32BE(12),
    runs: decodeExtents(bytes.subarray(16, FORK_BYTES)),
  };
}

export function decodeExtents(bytes: Buffer): BlockRun[] {
  const runs: BlockRun[] = [];
  for (let at = 0; at < EXTENTS_IN_FORK * 8; at += 8) {
    const count = bytes.readUInt32BE(at + 4);
    if (count === 0) break;
    runs.push({ first: bytes.readUInt32BE(at), count });
  }
  return runs;
}

/** File, fork and first block: the order of the extents overflow tree. */
function extentKey(key: Buffer): [number, number, number] {
  expect(key.length >= 12, "a key of its extents is damaged");
  return [key.readUInt32BE(4), key.readUInt8(2), key.readUInt32BE(8)];
}

function compareNumbers(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) if (value !== b[index]) return value - b[index]!;
  return 0;
}

type Tree = {
  readonly file: FileInRuns;
  readonly depth: number;
  readonly root: number;
  readonly nodeBytes: number;
};

type Node = { readonly kind: number; readonly next: number; readonly records: readonly Buffer[] };

/**
 * The leaf records of a tree from the first key that is not before a wanted one.
 *
 * @param compare less than 0 when its key (with the length in front) is before the wanted one
 */
async function* recordsFrom(
  tree: Tree,
  compare: (key: Buffer) => number,
): AsyncGenerator<{ readonly key: Buffer; readonly data: Buffer }> {
  if (tree.depth === 0) return;
  let node = await readNode(tree, tree.root);
  for (let depth = 0; node.kind === INDEX; depth += 1) {
    expect(depth < MOST_DEPTH && node.records.length > 0, "one of its trees is damaged");
    // The last child that begins before the wanted key may hold it.
    const after = node.records.findIndex((record) => compare(split(record).key) >= 0);
    const record = node.records[after === -1 ? node.records.length - 1 : Math.max(0, after - 1)]!;
    const { data } = split(record);
    expect(data.length >= 4, "one of its trees is damaged");
    node = await readNode(tree, data.readUInt32BE(0));
  }
  for (let leaves = 0; leaves < MOST_LEAVES; leaves += 1) {
    expect(node.kind === LEAF, "one of its trees is damaged");
    for (const record of node.records) {
      const { key, data } = split(record);
      if (compare(key) >= 0) yield { key, data };
    }
    if (node.next === 0) return;
    node = await readNode(tree, node.next);
  }
  expect(false, "one of its trees goes in a circle");
}

/** The key with its length in front, and what follows at the next even place. */
function split(record: Buffer): { key: Buffer; data: Buffer } {
  expect(record.length >= 8, "a record of its trees is damaged");
  const end = 2 + record.readUInt16BE(0);
  expect(end >= 8 && end <= record.length, "a key of its trees is damaged");
  return { key: record.subarray(0, end), data: record.subarray(end + (end & 1)) };
}

async function readNode({ file, nodeBytes }: Tree, number: number): Promise<Node> {
  const bytes = await file.read(number * nodeBytes, nodeBytes);
  const count = bytes.readUInt16BE(10);
  expect(14 + (count + 1) * 2 <= nodeBytes, "a node of its trees is damaged");
  const records: Buffer[] = [];
  for (let index = 0; index < count; index += 1) {
    const from = bytes.readUInt16BE(nodeBytes - 2 * (index + 1));
    const to = bytes.readUInt16BE(nodeBytes - 2 * (index + 2));
    expect(from >= 14 && from <= to && to <= nodeBytes, "a node of its trees is damaged");
    records.push(bytes.subarray(from, to));
  }
  return { kind: bytes.readInt8(8), next: bytes.readUInt32BE(0), records };
}

/** A file that lies in stretches of blocks. */
export class FileInRuns {
  readonly #volume: Volume;
  readonly #runs: readonly BlockRun[];
  readonly #blockBytes: number;

  constructor(volume: Volume, runs: readonly BlockRun[], blockBytes: number) {
    this.#volume = volume;
    this.#runs = runs;
    this.#blockBytes = blockBytes;
  }

  /** @throws {Implausible} when it is shorter */
  async read(at: number, length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let runAt = 0;
    let from = at;
    const end = at + length;
    for (const { first, count } of this.#runs) {
      const runEnd = runAt + count * this.#blockBytes;
      if (from < runEnd && from < end) {
        const take = Math.min(end, runEnd) - from;
        parts.push(await this.#volume.read(first * this.#blockBytes + from - runAt, take));
        from += take;
      }
      runAt = runEnd;
    }
    expect(from === end, "a tree of its is shorter than it says");
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }
}
