import { expect } from "../free-space/volume.ts";
import { type Blocks, isWhole, numberAt } from "./object.ts";
import { decodeNode, type TreeRecord } from "./tree-node.ts";

/** A B-tree of a container: where its root lies, and where the nodes that it names do. */
export type Tree = { readonly rootBlock: number; blockOf(childId: number): Promise<number> };

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
  const { level, records } = decodeNode(node);
  for (const [index, record] of records.entries()) {
    if (level === 0) {
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
