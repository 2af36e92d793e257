/** A key with its length field, as it stands in every node, and the record behind it. */
export type TreeRecord = { readonly key: Uint8Array; readonly data: Uint8Array };

export type TreeShape = {
  readonly nodeBytes: number;
  readonly maxKeyBytes: number;
  /** Header record attributes: 2 big keys, 4 index keys of different lengths (TN1150). */
  readonly attributes: number;
  /** 0xCF folds case, 0xBC does not; 0 where the tree is no catalog. */
  readonly keyCompareType: number;
  /** The whole file's size in nodes, where it is given; what the records do not need stays free. */
  readonly nodeCount?: number;
};

/** One node of the file, to be written at `number * nodeBytes`. */
export type TreeNode = { readonly number: number; readonly bytes: Uint8Array };

/** The records do not fit into a file of a size that was given. */
export class TreeFull extends Error {
  override readonly name = "TreeFull";
}

const TOO_SMALL = "the tree's file is too small for its records";

const nodeKind = { leaf: 0xff, index: 0, header: 1, map: 2 } as const;
const DESCRIPTOR_BYTES = 14;
/** The map's part in the header node begins behind the header record and 128 bytes for the user. */
const HEADER_MAP_AT = 248;
const OFFSET_BYTES = 2;
/** As Apple makes them: two offsets, and two bytes so that the map's length is a multiple of four. */
const AROUND_MAP_BYTES = DESCRIPTOR_BYTES + 2 * OFFSET_BYTES + 2;

type Level = { readonly keys: Uint8Array[]; readonly firstNode: number };

/**
 * Makes a B-tree file of HFS Plus from records in the order of their keys
 * (TN1150, "B-Trees"): full leaves first, one behind the other, then the levels
 * above them, then what the map of nodes needs beyond the header node.
 *
 * It keeps the first key of every leaf, not the leaves.
 */
export class TreeBuilder {
  readonly #shape: TreeShape;
  readonly #leafKeys: Uint8Array[] = [];
  #group: Uint8Array[] = [];
  #room = 0;
  #leafRecords = 0;
  /** A leaf names the next one, so each is held back until it is known whether there is one. */
  #waiting: Uint8Array[] | undefined;

  constructor(shape: TreeShape) {
    this.#shape = shape;
  }

  /** @returns a leaf that is complete now */
  add({ key, data }: TreeRecord): TreeNode | undefined {
    const record = even(joined(key, data));
    const neededBytes = record.length + OFFSET_BYTES;
    let done: TreeNode | undefined;
    if (this.#leafKeys.length === 0 || neededBytes > this.#room) {
      done = this.#closeLeaf();
      this.#leafKeys.push(Uint8Array.from(key));
      this.#group = [];
      this.#room = this.#shape.nodeBytes - DESCRIPTOR_BYTES - OFFSET_BYTES;
    }
    this.#group.push(record);
    this.#room -= neededBytes;
    this.#leafRecords += 1;
    return done;
  }

  /**
   * The nodes that are left; the header node is the last.
   *
   * @param spareNodes free nodes at the end, where the file's size was not given
   * @throws {TreeFull}
   */
  *finish(spareNodes = 0): Generator<TreeNode, { readonly nodeCount: number }> {
    const beforeLast = this.#closeLeaf();
    if (beforeLast !== undefined) yield beforeLast;
    if (this.#waiting !== undefined) yield this.#leaf(this.#leafKeys.length, this.#waiting, true);
    let level: Level = { keys: this.#leafKeys, firstNode: 1 };
    let nextNode = 1 + level.keys.length;
    let depth = level.keys.length === 0 ? 0 : 1;
    while (level.keys.length > 1) {
      depth += 1;
      const above: Level = { keys: [], firstNode: nextNode };
      // Above a level stands one record for each of its nodes: the node's first key and its number.
      const groups = [...this.#indexGroups(level)];
      for (const [index, { firstKey, records }] of groups.entries()) {
        const links = { forward: index < groups.length - 1 ? nextNode + 1 : 0, backward: index > 0 ? nextNode - 1 : 0 };
        yield this.#node(nextNode, { ...links, kind: nodeKind.index, height: depth }, records);
        above.keys.push(firstKey);
        nextNode += 1;
      }
      level = above;
    }
    const root = depth === 0 ? 0 : level.firstNode;
    const nodeCount = this.#nodeCount(nextNode, spareNodes);
    const mapNodes = this.#mapNodes(nodeCount);
    const usedNodes = nextNode + mapNodes;
    const { nodeBytes } = this.#shape;
    for (let index = 0; index < mapNodes; index += 1) {
      const forward = index < mapNodes - 1 ? nextNode + index + 1 : 0;
      const mapBytes = nodeBytes - AROUND_MAP_BYTES;
      const first = (nodeBytes - 256 + index * mapBytes) * 8;
      const links = { forward, backward: 0, kind: nodeKind.map, height: 0 };
      yield this.#node(nextNode + index, links, [usedBits(mapBytes, usedNodes - first)]);
    }
    const links = { forward: mapNodes > 0 ? nextNode : 0, backward: 0, kind: nodeKind.header, height: 0 };
    yield this.#node(0, links, [
      this.#headerRecord({ depth, root, nodeCount, usedNodes }),
      new Uint8Array(128),
      usedBits(nodeBytes - 256, usedNodes),
    ]);
    return { nodeCount };
  }

  /** Holds the group that was filled back, and gives the one before it, which has a next one now. */
  #closeLeaf(): TreeNode | undefined {
    if (this.#group.length === 0) return undefined;
    const before = this.#waiting;
    this.#waiting = this.#group;
    this.#group = [];
    return before && this.#leaf(this.#leafKeys.length - 1, before, false);
  }

  #leaf(number: number, records: readonly Uint8Array[], isLast: boolean): TreeNode {
    const links = { forward: isLast ? 0 : number + 1, backward: number - 1 };
    return this.#node(number, { ...links, kind: nodeKind.leaf, height: 1 }, records);
  }

  *#indexGroups({ keys, firstNode }: Level): Generator<{ firstKey: Uint8Array; records: Uint8Array[] }> {
    let group: { firstKey: Uint8Array; records: Uint8Array[] } | undefined;
    let room = 0;
    for (const [index, key] of keys.entries()) {
      const number = new Uint8Array(4);
      new DataView(number.buffer).setUint32(0, firstNode + index);
      const record = joined(even(key), number);
      if (group === undefined || record.length + OFFSET_BYTES > room) {
        if (group !== undefined) yield group;
        group = { firstKey: key, records: [] };
        room = this.#shape.nodeBytes - DESCRIPTOR_BYTES - OFFSET_BYTES;
      }
      group.records.push(record);
      room -= record.length + OFFSET_BYTES;
    }
    if (group !== undefined) yield group;
  }

  /** How many nodes the whole file has, when `needed` are used without the map's own. */
  #nodeCount(needed: number, spareNodes: number): number {
    const given = this.#shape.nodeCount;
    if (given === undefined) {
      let count = needed + spareNodes;
      while (count < needed + spareNodes + this.#mapNodes(count)) count = needed + spareNodes + this.#mapNodes(count);
      return count;
    }
    if (needed + this.#mapNodes(given) > given) throw new TreeFull(TOO_SMALL);
    return given;
  }

  #mapNodes(nodeCount: number): number {
    const { nodeBytes } = this.#shape;
    const beyondHeader = nodeCount - (nodeBytes - HEADER_MAP_AT - 4 * OFFSET_BYTES) * 8;
    return Math.max(0, Math.ceil(beyondHeader / ((nodeBytes - AROUND_MAP_BYTES) * 8)));
  }

  #headerRecord(used: { depth: number; root: number; nodeCount: number; usedNodes: number }): Uint8Array {
    const { nodeBytes, maxKeyBytes, keyCompareType, attributes } = this.#shape;
    const leaves = this.#leafKeys.length;
    const view = new DataView(new ArrayBuffer(106));
    view.setUint16(0, used.depth);
    view.setUint32(2, used.root);
    view.setUint32(6, this.#leafRecords);
    view.setUint32(10, leaves === 0 ? 0 : 1);
    view.setUint32(14, leaves);
    view.setUint16(18, nodeBytes);
    view.setUint16(20, maxKeyBytes);
    view.setUint32(22, used.nodeCount);
    view.setUint32(26, used.nodeCount - used.usedNodes);
    // The clump: how much the file grows at once.
    view.setUint32(32, Math.min(used.nodeCount * nodeBytes, 1 << 24));
    view.setUint8(37, keyCompareType);
    view.setUint32(38, attributes);
    return new Uint8Array(view.buffer);
  }

  #node(
    number: number,
    links: { forward: number; backward: number; kind: number; height: number },
    records: readonly Uint8Array[],
  ): TreeNode {
    const { nodeBytes, nodeCount = Infinity } = this.#shape;
    if (number >= nodeCount) throw new TreeFull(TOO_SMALL);
    const bytes = new Uint8Array(nodeBytes);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, links.forward);
    view.setUint32(4, links.backward);
    view.setUint8(8, links.kind);
    view.setUint8(9, links.height);
    view.setUint16(10, records.length);
    let at = DESCRIPTOR_BYTES;
    for (const [index, record] of records.entries()) {
      bytes.set(record, at);
      view.setUint16(nodeBytes - OFFSET_BYTES * (index + 1), at);
      at += record.length;
    }
    view.setUint16(nodeBytes - OFFSET_BYTES * (records.length + 1), at);
    return { number, bytes };
  }
}

/** A tree's whole file, for trees that are small. */
export function treeFile(records: Iterable<TreeRecord>, shape: TreeShape & { readonly nodeCount: number }): Uint8Array {
  const file = new Uint8Array(shape.nodeBytes * shape.nodeCount);
  const builder = new TreeBuilder(shape);
  const place = (node: TreeNode) => file.set(node.bytes, node.number * shape.nodeBytes);
  for (const record of records) {
    const leaf = builder.add(record);
    if (leaf !== undefined) place(leaf);
  }
  for (const node of builder.finish()) place(node);
  return file;
}

/** Bits from the highest of the first byte on, of which the first `used` are set. */
function usedBits(lengthBytes: number, used: number): Uint8Array {
  const bits = new Uint8Array(lengthBytes);
  const whole = Math.max(0, Math.min(lengthBytes, used >> 3));
  bits.fill(0xff, 0, whole);
  if (used > 0 && whole < lengthBytes) bits[whole] = (0xff00 >> (used & 7)) & 0xff;
  return bits;
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Records begin at even offsets. */
function even(record: Uint8Array): Uint8Array {
  return record.length % 2 === 0 ? record : joined(record, new Uint8Array(1));
}
