import { expect } from "../free-space/volume.ts";
import { type Blocks, isWhole, numberAt } from "./object.ts";

/** One record of a B-tree: both are parts of its block. */
export type TreeRecord = { readonly key: Buffer; readonly value: Buffer };

/** A B-tree of a container: where its root lies, and where the nodes that it names do. */
export type Tree = { readonly rootBlock: number; blockOf(childId: number): Promise<number> };

/** Apple File System Reference, "B-Trees": btree_node_phys_t. */
const HEADER_BYTES = 56;
const ROOT = 1;
const LEAF = 2;
const FIXED = 4;
/** btree_info_t, at the end of a root. */
const INFO_BYTES = 40;
/** Of the one tree here whose records are all as long: omap_key_t, omap_val_t. */
const FIXED_BYTES = 16;

const CHILD_BYTES = 8;

const MOST_LEVELS = 12;
/** A folder with very many names is not looked through to its end. */
const MOST_NODES = 5000;

/**
 * Every record whose key lies in a range, in their order.
 *
 * @param place of a key: below 0 before the range, 0 in it, above 0 behind it
 * @throws {Implausible}
 */
export async function* recordsIn(
  blocks: Blocks,
  tree: Tree,
  place: (key: Buffer) => number,
): AsyncGenerator<TreeRecord> {
  const budget = { nodes: MOST_NODES };
  yield* recordsBelow(blocks, tree, tree.rootBlock, place, { level: MOST_LEVELS, budget });
}

async function* recordsBelow(
  blocks: Blocks,
  tree: Tree,
  block: number,
  place: (key: Buffer) => number,
  left: { readonly level: number; readonly budget: { nodes: number } },
): AsyncGenerator<TreeRecord> {
  left.budget.nodes -= 1;
  expect(left.level > 0 && left.budget.nodes > 0, "a tree of it has no end");
  const node = await blocks.read(block);
  expect(isWhole(node), `the checksum of its block ${block} is wrong`);
  const { isLeaf, records } = nodeOf(node);
  for (const [index, record] of records.entries()) {
    if (isLeaf) {
      if (place(record.key) === 0) yield record;
      continue;
    }
    const next = records[index + 1];
    if (next !== undefined && place(next.key) < 0) continue;
    if (place(record.key) > 0) return;
    expect(record.value.length >= CHILD_BYTES, "a node of it names no child");
    const child = await tree.blockOf(numberAt(record.value, 0));
    yield* recordsBelow(blocks, tree, child, place, { ...left, level: left.level - 1 });
  }
}

function nodeOf(node: Buffer): { isLeaf: boolean; records: TreeRecord[] } {
  const flags = node.readUInt16LE(32);
  const count = node.readUInt32LE(36);
  const isLeaf = (flags & LEAF) !== 0;
  const isFixed = (flags & FIXED) !== 0;
  const tableAt = HEADER_BYTES + node.readUInt16LE(40);
  const keysAt = tableAt + node.readUInt16LE(42);
  const valuesEnd = node.length - ((flags & ROOT) !== 0 ? INFO_BYTES : 0);
  const entryBytes = isFixed ? 4 : 8;
  expect(tableAt + count * entryBytes <= keysAt && keysAt <= valuesEnd, "a node of it is damaged");
  const records = Array.from({ length: count }, (_, index) => {
    const at = tableAt + index * entryBytes;
    const key = keysAt + node.readUInt16LE(at);
    const keyEnd = isFixed ? key + FIXED_BYTES : key + node.readUInt16LE(at + 2);
    const value = valuesEnd - node.readUInt16LE(at + (isFixed ? 2 : 4));
    const fixedBytes = isLeaf ? FIXED_BYTES : CHILD_BYTES;
    const valueEnd = value + (isFixed ? fixedBytes : node.readUInt16LE(at + 6));
    expect(
      keyEnd <= valuesEnd && keyEnd - key >= 8 && value >= keysAt && valueEnd <= valuesEnd,
      "a node of it is damaged",
    );
    return { key: node.subarray(key, keyEnd), value: node.subarray(value, valueEnd) };
  });
  return { isLeaf, records };
}
