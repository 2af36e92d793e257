import type { BlockSource, BlockTarget } from "../block.ts";
import type { HfsPlusVolume, TreePlace } from "../free-space/hfs-plus-volume.ts";
import { type BlockRun, expect } from "../free-space/volume.ts";
import { TreeMap } from "./tree-map.ts";
import { bytesOfRecords, joinRecord, middleOf, nodeKind, type OpenNode, splitRecord } from "./tree-node.ts";
import { TreeNodes } from "./tree-nodes.ts";

/** Offsets in the header node (TN1150, BTHeaderRec). */
const headerNodeAt = { depth: 14, root: 16, leafRecords: 20, firstLeaf: 24, lastLeaf: 28 } as const;
const MOST_DEPTH = 16;

/** Gives a tree's file more blocks, which are zero. @throws {Implausible} when there are none */
type Grow = (lengthBytes: number) => Promise<BlockRun>;
/** So many nodes at once. */
const NODES_MORE = 16;

export type KeyOrder = (one: Buffer, other: Buffer) => number;

/** What an index node says of a node below it. */
type Child = { readonly key: Buffer; readonly number: number };
type Edit = { readonly key: Buffer; readonly data: Buffer | undefined; readonly mustExist: boolean };

/**
 * Changes single records of a tree on a volume: nodes are split where one is
 * full and taken out where one is empty, and the keys above follow. What it
 * writes goes to `disk`, from which it also reads.
 */
export class TreeEditor {
  readonly #nodes: TreeNodes;
  readonly #map: TreeMap;
  readonly #order: KeyOrder;
  #grow: Grow | undefined;

  private constructor(nodes: TreeNodes, map: TreeMap, order: KeyOrder) {
    this.#nodes = nodes;
    this.#map = map;
    this.#order = order;
  }

  /** Undefined: the volume has no such tree. @throws {Implausible} */
  static async open(
    hfs: HfsPlusVolume,
    disk: BlockSource & BlockTarget,
    place: TreePlace,
    order: KeyOrder,
  ): Promise<TreeEditor | undefined> {
    const shape = await hfs.treeShape(place);
    if (shape === undefined) return undefined;
    const nodes = new TreeNodes(hfs, disk, await hfs.specialFile(place.forkAt, place.id), shape.nodeBytes);
    return new TreeEditor(nodes, await TreeMap.open(nodes, shape.nodeCount), order);
  }

  /** Where it may get more blocks from when it is full; without that it does not grow. */
  growsBy(grow: Grow): void {
    this.#grow = grow;
  }

  /** The record under a key; undefined when there is none. @throws {Implausible} */
  async find(key: Uint8Array): Promise<Buffer | undefined> {
    for await (const record of this.from(key)) {
      return this.#order(record.key, Buffer.from(key)) === 0 ? record.data : undefined;
    }
    return undefined;
  }

  /** All records from the first whose key is not before `key`. @throws {Implausible} */
  async *from(key: Uint8Array): AsyncGenerator<{ readonly key: Buffer; readonly data: Buffer }> {
    const wanted = Buffer.from(key);
    const { depth, root } = await this.#header();
    if (depth === 0) return;
    let node = await this.#nodes.node(root, depth);
    for (let height = depth; height > 1; height -= 1)
      node = await this.#nodes.node(childOf(node.records[this.#childAt(node, wanted)]!).number, height - 1);
    for (let start = true; ; ) {
      const first = start ? this.#firstAt(node, wanted) : 0;
      start = false;
      for (const record of node.records.slice(first)) yield splitRecord(record);
      if (node.next === 0) return;
      const last = keyOf(node.records.at(-1)!);
      node = await this.#nodes.node(node.next, 1);
      expect(this.#order(last, keyOf(node.records[0]!)) < 0, "one of its trees goes in a circle");
    }
  }

  /** @throws {Implausible} when the key is taken, or the tree is full */
  async insert(key: Uint8Array, data: Uint8Array): Promise<void> {
    await this.#edit({ key: Buffer.from(key), data: Buffer.from(data), mustExist: false }, 1);
  }

  /** @throws {Implausible} when there is none, or the tree is full */
  async replace(key: Uint8Array, data: Uint8Array): Promise<void> {
    await this.#edit({ key: Buffer.from(key), data: Buffer.from(data), mustExist: true }, 0);
  }

  /** @throws {Implausible} when there is none */
  async remove(key: Uint8Array): Promise<void> {
    await this.#edit({ key: Buffer.from(key), data: undefined, mustExist: true }, -1);
  }

  async #edit(edit: Edit, recordsMore: number): Promise<void> {
    const { depth, root } = await this.#header();
    if (depth === 0) {
      expect(!edit.mustExist, "a record of its trees is missing");
      const leaf = {
        next: 0,
        previous: 0,
        kind: nodeKind.leaf,
        height: 1,
        records: [joinRecord(edit.key, edit.data!)],
      };
      const number = await this.#add(leaf);
      await this.#setHeader({ depth: 1, root: number, firstLeaf: number, lastLeaf: number }, recordsMore);
      return;
    }
    await this.#setRoot(await this.#change(root, depth, edit), depth);
    await this.#setHeader({}, recordsMore);
  }

  /** @returns what the nodes above must now say in the place of this one */
  async #change(number: number, height: number, edit: Edit): Promise<Child[]> {
    const before = await this.#nodes.node(number, height);
    const node = { ...before, records: [...before.records] };
    if (height === 1) {
      const at = this.#firstAt(node, edit.key);
      const isThere = at < node.records.length && this.#order(keyOf(node.records[at]!), edit.key) === 0;
      expect(isThere === edit.mustExist, isThere ? "a name of it is taken" : "a record of its trees is missing");
      const fresh = edit.data === undefined ? [] : [joinRecord(edit.key, edit.data)];
      node.records.splice(at, isThere ? 1 : 0, ...fresh);
      return this.#store(number, node);
    }
    const at = this.#childAt(node, edit.key);
    const child = childOf(node.records[at]!);
    const children = await this.#change(child.number, height - 1, edit);
    const isSame = children.length === 1 && children[0]!.key.equals(child.key) && children[0]!.number === child.number;
    if (isSame) return [{ key: keyOf(node.records[0]!), number }];
    node.records.splice(at, 1, ...children.map(indexRecord));
    return this.#store(number, node);
  }

  /** The last child that begins at or before the key; the first one where all begin behind it. */
  #childAt(node: OpenNode, key: Buffer): number {
    const at = this.#firstAt(node, key);
    const isExact = at < node.records.length && this.#order(keyOf(node.records[at]!), key) === 0;
    return isExact ? at : Math.max(0, at - 1);
  }

  /** The place of the first record whose key is not before `key`; behind the last where all are. */
  #firstAt({ records }: OpenNode, key: Buffer): number {
    let [low, high] = [0, records.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#order(keyOf(records[middle]!), key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  async #store(number: number, node: OpenNode): Promise<Child[]> {
    if (node.records.length === 0) {
      await this.#takeOut(number, node);
      return [];
    }
    if (bytesOfRecords(node.records) <= this.#nodes.nodeBytes) {
      await this.#nodes.store(number, node);
      return [{ key: keyOf(node.records[0]!), number }];
    }
    const records = node.records.splice(middleOf(node.records));
    const right = await this.#add({ ...node, previous: number, records });
    if (node.next !== 0) await this.#nodes.relink(node.next, { previous: right });
    else if (node.kind === nodeKind.leaf) await this.#setHeader({ lastLeaf: right }, 0);
    node.next = right;
    await this.#nodes.store(number, node);
    return [
      { key: keyOf(node.records[0]!), number },
      { key: keyOf(records[0]!), number: right },
    ];
  }

  async #takeOut(number: number, { previous, next, kind }: OpenNode): Promise<void> {
    if (previous !== 0) await this.#nodes.relink(previous, { next });
    if (next !== 0) await this.#nodes.relink(next, { previous });
    if (kind === nodeKind.leaf) {
      if (previous === 0) await this.#setHeader({ firstLeaf: next }, 0);
      if (next === 0) await this.#setHeader({ lastLeaf: previous }, 0);
    }
    await this.#free(number);
  }

  /** A root with one child is no root; several children need one. */
  async #setRoot(children: readonly Child[], depth: number): Promise<void> {
    if (children.length === 0) return this.#setHeader({ depth: 0, root: 0 }, 0);
    let height = depth;
    let [{ number: root }] = children as [Child];
    if (children.length > 1) {
      height += 1;
      expect(height <= MOST_DEPTH, "one of its trees is damaged");
      root = await this.#add({
        next: 0,
        previous: 0,
        kind: nodeKind.index,
        height,
        records: children.map(indexRecord),
      });
    }
    for (let node = await this.#nodes.node(root, height); height > 1 && node.records.length === 1; ) {
      await this.#free(root);
      root = childOf(node.records[0]!).number;
      height -= 1;
      node = await this.#nodes.node(root, height);
    }
    await this.#setHeader({ depth: height, root }, 0);
  }

  async #add(node: OpenNode): Promise<number> {
    const number = (await this.#map.take()) ?? (await this.#takeFresh());
    await this.#nodes.store(number, node);
    return number;
  }

  async #takeFresh(): Promise<number> {
    const [map, grow] = [this.#map, this.#grow];
    const isPossible = map.nodeCount + NODES_MORE <= map.mostNodes;
    expect(grow !== undefined && isPossible, "one of its trees has no room left");
    await map.grow(this.#nodes.add(await grow(NODES_MORE * this.#nodes.nodeBytes)));
    const number = await map.take();
    expect(number !== undefined, "one of its trees has no room left");
    return number;
  }

  /** Free nodes are zero: some volumes promise it, and none should keep names that were removed. */
  async #free(number: number): Promise<void> {
    await this.#map.free(number);
    await this.#nodes.write(number, Buffer.alloc(this.#nodes.nodeBytes));
  }

  async #header(): Promise<{ depth: number; root: number }> {
    const bytes = await this.#nodes.read(0);
    const depth = bytes.readUInt16BE(headerNodeAt.depth);
    expect(depth <= MOST_DEPTH, "one of its trees is damaged");
    return { depth, root: bytes.readUInt32BE(headerNodeAt.root) };
  }

  async #setHeader(
    fields: { depth?: number; root?: number; firstLeaf?: number; lastLeaf?: number },
    recordsMore: number,
  ): Promise<void> {
    const bytes = Buffer.from(await this.#nodes.read(0));
    if (fields.depth !== undefined) bytes.writeUInt16BE(fields.depth, headerNodeAt.depth);
    for (const name of ["root", "firstLeaf", "lastLeaf"] as const)
      if (fields[name] !== undefined) bytes.writeUInt32BE(fields[name], headerNodeAt[name]);
    const leafRecords = bytes.readUInt32BE(headerNodeAt.leafRecords) + recordsMore;
    expect(leafRecords >= 0, "one of its trees is damaged");
    bytes.writeUInt32BE(leafRecords, headerNodeAt.leafRecords);
    await this.#nodes.write(0, bytes);
  }
}

function keyOf(record: Buffer): Buffer {
  return splitRecord(record).key;
}

function childOf(record: Buffer): Child {
  const { key, data } = splitRecord(record);
  expect(data.length >= 4, "one of its trees is damaged");
  return { key, number: data.readUInt32BE(0) };
}

function indexRecord({ key, number }: Child): Buffer {
  const data = Buffer.alloc(4);
  data.writeUInt32BE(number, 0);
  return joinRecord(key, data);
}
