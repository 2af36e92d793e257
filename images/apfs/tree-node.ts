import { expect } from "../free-space/volume.ts";

/**
 * Nodes of the B-trees of a container, as bytes and as records.
 * Source: Apple File System Reference (2020), "B-Trees": btree_node_phys_t, btree_info_t.
 */

/** One record of a B-tree; those that were read are parts of their block. */
export type TreeRecord = { readonly key: Buffer; readonly value: Buffer };

export type TreeNode = {
  /** With its object header, whose number, type and transaction a changed node keeps. */
  readonly block: Buffer;
  readonly isRoot: boolean;
  /** 0: its values are no nodes. */
  readonly level: number;
  /** All keys and all values are 16 bytes long (those of an object map), numbers of children 8. */
  readonly isFixed: boolean;
  /** It has nothing that is not known here, as the digests of a sealed volume. */
  readonly isPlain: boolean;
  readonly records: readonly TreeRecord[];
};

const HEADER_BYTES = 56;
/** btree_info_t, at the end of a root. */
const INFO_BYTES = 40;
const ROOT = 1;
const LEAF = 2;
const FIXED = 4;
/** Of the one tree here whose records are all as long: omap_key_t, omap_val_t. */
const FIXED_BYTES = 16;
const CHILD_BYTES = 8;
/** Apple's nodes have room for so many places at once. */
const PLACES_AT_ONCE = 8;
const NO_FREE_LIST = 0xffff;

const at = { flags: 32, level: 34, count: 36, table: 40, free: 44, freeKeys: 48, freeValues: 52 } as const;
/** From the node's end. */
const infoAt = { longestKey: 24, longestValue: 20, keys: 16, nodes: 8 } as const;

/** @throws {Implausible} */
export function decodeNode(block: Buffer): TreeNode {
  const flags = block.readUInt16LE(at.flags);
  const count = block.readUInt32LE(at.count);
  const isLeaf = (flags & LEAF) !== 0;
  const isRoot = (flags & ROOT) !== 0;
  const isFixed = (flags & FIXED) !== 0;
  const level = block.readUInt16LE(at.level);
  expect(isLeaf === (level === 0), "a node of it is damaged");
  const tableAt = HEADER_BYTES + block.readUInt16LE(at.table);
  const keysAt = tableAt + block.readUInt16LE(at.table + 2);
  const valuesEnd = block.length - (isRoot ? INFO_BYTES : 0);
  const entryBytes = isFixed ? 4 : 8;
  expect(tableAt + count * entryBytes <= keysAt && keysAt <= valuesEnd, "a node of it is damaged");
  const records = Array.from({ length: count }, (_, index) => {
    const entry = tableAt + index * entryBytes;
    const key = keysAt + block.readUInt16LE(entry);
    const keyEnd = isFixed ? key + FIXED_BYTES : key + block.readUInt16LE(entry + 2);
    const value = valuesEnd - block.readUInt16LE(entry + (isFixed ? 2 : 4));
    const fixedBytes = isLeaf ? FIXED_BYTES : CHILD_BYTES;
    const valueEnd = value + (isFixed ? fixedBytes : block.readUInt16LE(entry + 6));
    expect(
      keyEnd <= valuesEnd && keyEnd - key >= 8 && value >= keysAt && valueEnd <= valuesEnd,
      "a node of it is damaged",
    );
    return { key: block.subarray(key, keyEnd), value: block.subarray(value, valueEnd) };
  });
  const isPlain = (flags & ~(ROOT | LEAF | FIXED)) === 0 && tableAt === HEADER_BYTES;
  return { block, isRoot, level, isFixed, isPlain, records };
}

/**
 * The same node with what is in `node`, without gaps. The checksum is the caller's.
 *
 * @returns undefined where there is no room for all of it
 */
export function encodeNode({ block: before, isRoot, level, isFixed, records }: TreeNode): Buffer | undefined {
  const block = Buffer.alloc(before.length);
  before.copy(block, 0, 0, at.flags);
  const valuesEnd = block.length - (isRoot ? INFO_BYTES : 0);
  if (isRoot) before.copy(block, valuesEnd, before.length - INFO_BYTES);
  const entryBytes = isFixed ? 4 : 8;
  const places = isFixed
    ? fixedPlaces(block.length, level)
    : Math.ceil(records.length / PLACES_AT_ONCE) * PLACES_AT_ONCE;
  const keysAt = HEADER_BYTES + places * entryBytes;
  const keyBytes = sumOf(records, ({ key }) => key.length);
  const valueBytes = sumOf(records, ({ value }) => value.length);
  if (records.length > places || keysAt + keyBytes + valueBytes > valuesEnd) return undefined;
  block.writeUInt16LE((isRoot ? ROOT : 0) | (level === 0 ? LEAF : 0) | (isFixed ? FIXED : 0), at.flags);
  block.writeUInt16LE(level, at.level);
  block.writeUInt32LE(records.length, at.count);
  block.writeUInt16LE(places * entryBytes, at.table + 2);
  block.writeUInt16LE(keyBytes, at.free);
  block.writeUInt16LE(valuesEnd - valueBytes - keysAt - keyBytes, at.free + 2);
  block.writeUInt16LE(NO_FREE_LIST, at.freeKeys);
  block.writeUInt16LE(NO_FREE_LIST, at.freeValues);
  let keyAt = 0;
  let valueAt = 0;
  for (const [index, { key, value }] of records.entries()) {
    valueAt += value.length;
    const fields = isFixed ? [keyAt, valueAt] : [keyAt, key.length, valueAt, value.length];
    for (const [place, field] of fields.entries())
      block.writeUInt16LE(field, HEADER_BYTES + index * entryBytes + place * 2);
    key.copy(block, keysAt + keyAt);
    value.copy(block, valuesEnd - valueAt);
    keyAt += key.length;
  }
  return block;
}

/** Nodes of records of one length have all their places from the beginning, as if no node were a root. */
function fixedPlaces(nodeBytes: number, level: number): number {
  const recordBytes = FIXED_BYTES + (level === 0 ? FIXED_BYTES : CHILD_BYTES);
  return Math.floor((nodeBytes - HEADER_BYTES) / (recordBytes + 4));
}

function sumOf(records: readonly TreeRecord[], bytesOf: (record: TreeRecord) => number): number {
  return records.reduce((sum, record) => sum + bytesOf(record), 0);
}

/** What a root says of its whole tree, with what was added to it. @throws {Implausible} */
export function countInRoot(root: Buffer, added: { readonly keys: number; readonly nodes: number }): void {
  for (const field of ["keys", "nodes"] as const) {
    const place = root.length - infoAt[field];
    root.writeBigUInt64LE(BigInt.asUintN(64, root.readBigUInt64LE(place) + BigInt(added[field])), place);
  }
}

/** The longest key and value that were ever in a tree. */
export function lengthsInRoot(root: Buffer, { key, value }: TreeRecord): void {
  for (const [place, length] of [
    [root.length - infoAt.longestKey, key.length],
    [root.length - infoAt.longestValue, value.length],
  ] as const)
    root.writeUInt32LE(Math.max(root.readUInt32LE(place), length), place);
}
