import assert from "node:assert/strict";

/** A key with its length field, as it stands in every node, and the record behind it. */
export type TreeRecord = { readonly key: Uint8Array; readonly data: Uint8Array };

export type TreeShape = {
  readonly nodeBytes: number;
  /** The whole file's size in nodes; what the records do not need stays free. */
  readonly nodeCount: number;
  readonly maxKeyBytes: number;
  /** Header record attributes: 2 big keys, 4 index keys of different lengths (TN1150). */
  readonly attributes: number;
  /** 0xCF folds case; 0 where the tree is no catalog. */
  readonly keyCompareType: number;
};

const nodeKind = { leaf: 0xff, index: 0, header: 1 } as const;
const descriptorBytes = 14;

/**
 * A B-tree file of HFS+ from records in the order of their keys (TN1150, "B-Trees").
 * Nodes are filled from the left, level by level; no map nodes.
 */
export function treeFile(records: readonly TreeRecord[], shape: TreeShape): Uint8Array {
  const file = new Uint8Array(shape.nodeBytes * shape.nodeCount);
  let level = grouped(
    records.map(({ key, data }) => ({ key, record: even(joined(key, data)) })),
    shape.nodeBytes,
  );
  const leafCount = level.length;
  let nextNode = 1;
  let depth = 0;
  let root = 0;
  while (level.length > 0) {
    depth += 1;
    const first = nextNode;
    assert(first + level.length <= shape.nodeCount, "the tree's file is too small for its records");
    for (const [index, group] of level.entries()) {
      const forward = index < level.length - 1 ? first + index + 1 : 0;
      const backward = index > 0 ? first + index - 1 : 0;
      const kind = depth === 1 ? nodeKind.leaf : nodeKind.index;
      const links = { forward, backward, kind, height: depth };
      writeNode(
        file,
        first + index,
        shape.nodeBytes,
        links,
        group.map(({ record }) => record),
      );
    }
    nextNode += level.length;
    root = first;
    if (level.length === 1) break;
    // Above a level stands one record for each of its nodes: the node's first key and its number.
    const above = level.map((group, index) => {
      const key = group[0]!.key;
      return { key, record: joined(key, words(first + index)) };
    });
    level = grouped(above, shape.nodeBytes);
  }
  const used = { depth, root, leafRecords: records.length, leafCount, nodes: nextNode };
  const links = { forward: 0, backward: 0, kind: nodeKind.header, height: 0 };
  writeNode(file, 0, shape.nodeBytes, links, [
    headerRecord(shape, used),
    new Uint8Array(128),
    nodeMap(shape, nextNode),
  ]);
  return file;
}

type Keyed = { readonly key: Uint8Array; readonly record: Uint8Array };

/** Cuts records into groups that fit one node each, with a 16-bit offset for each record and one for the free space. */
function grouped(records: readonly Keyed[], nodeBytes: number): Keyed[][] {
  const groups: Keyed[][] = [];
  let room = 0;
  for (const one of records) {
    const needed = one.record.length + 2;
    if (groups.length === 0 || needed > room) {
      groups.push([]);
      room = nodeBytes - descriptorBytes - 2;
    }
    groups.at(-1)!.push(one);
    room -= needed;
  }
  return groups;
}

function writeNode(
  file: Uint8Array,
  number: number,
  nodeBytes: number,
  links: { forward: number; backward: number; kind: number; height: number },
  records: readonly Uint8Array[],
): void {
  const node = new DataView(file.buffer, file.byteOffset + number * nodeBytes, nodeBytes);
  node.setUint32(0, links.forward);
  node.setUint32(4, links.backward);
  node.setUint8(8, links.kind);
  node.setUint8(9, links.height);
  node.setUint16(10, records.length);
  let at = descriptorBytes;
  for (const [index, record] of records.entries()) {
    file.set(record, number * nodeBytes + at);
    node.setUint16(nodeBytes - 2 * (index + 1), at);
    at += record.length;
  }
  node.setUint16(nodeBytes - 2 * (records.length + 1), at);
}

function headerRecord(
  shape: TreeShape,
  used: { depth: number; root: number; leafRecords: number; leafCount: number; nodes: number },
): Uint8Array {
  const view = new DataView(new ArrayBuffer(106));
  view.setUint16(0, used.depth);
  view.setUint32(2, used.root);
  view.setUint32(6, used.leafRecords);
  view.setUint32(10, used.leafCount === 0 ? 0 : 1);
  view.setUint32(14, used.leafCount);
  view.setUint16(18, shape.nodeBytes);
  view.setUint16(20, shape.maxKeyBytes);
  view.setUint32(22, shape.nodeCount);
  view.setUint32(26, shape.nodeCount - used.nodes);
  view.setUint32(32, shape.nodeCount * shape.nodeBytes);
  view.setUint8(37, shape.keyCompareType);
  view.setUint32(38, shape.attributes);
  return new Uint8Array(view.buffer);
}

/** One bit for each node, the first node in the highest bit. */
function nodeMap(shape: TreeShape, usedNodes: number): Uint8Array {
  const map = new Uint8Array(shape.nodeBytes - 256);
  assert(shape.nodeCount <= map.length * 8, "a tree this large needs map nodes");
  for (let node = 0; node < usedNodes; node += 1) map[node >> 3]! |= 0x80 >> (node & 7);
  return map;
}

function words(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  for (const [index, value] of values.entries()) view.setUint32(index * 4, value);
  return new Uint8Array(view.buffer);
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Records begin at even offsets. */
function even(record: Uint8Array): Uint8Array {
  return record.length % 2 === 0 ? record : joined(record, new Uint8Array(1));
}
