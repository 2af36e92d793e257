import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TreeBuilder, TreeFull, type TreeNode, treeFile } from "../../../images/hfs-plus/tree-builder.ts";
import { leafRecords } from "./checked-volume.ts";

const keyOf = (number: number, units: number) => {
  const key = Buffer.alloc(8 + units * 2);
  key.writeUInt16BE(key.length - 2);
  key.writeUInt32BE(number, 2);
  return key;
};
const numberOf = (key: Buffer) => [key.readUInt32BE(2)];
const shape = { nodeBytes: 512, maxKeyBytes: 100, attributes: 6, keyCompareType: 0 };

function built(records: Iterable<{ key: Uint8Array; data: Uint8Array }>, spareNodes: number): Buffer {
  const builder = new TreeBuilder(shape);
  const nodes: TreeNode[] = [];
  for (const record of records) {
    const leaf = builder.add(record);
    if (leaf !== undefined) nodes.push(leaf);
  }
  const rest = builder.finish(spareNodes);
  let next = rest.next();
  for (; next.done !== true; next = rest.next()) nodes.push(next.value);
  const file = Buffer.alloc(next.value.nodeCount * 512);
  for (const { number, bytes } of nodes) file.set(bytes, number * 512);
  return file;
}

test("any records make a tree in which all are found, in order, each node once", () => {
  const record = fc.record({ units: fc.nat(20), bytes: fc.nat(160) });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 400 }), fc.nat(9), (list, spareNodes) => {
      const records = list.map(({ units, bytes }, index) => ({
        key: keyOf(index, units),
        data: Buffer.alloc(bytes, index),
      }));
      const found = leafRecords(built(records, spareNodes), numberOf);
      assert.deepEqual(
        found.map(({ key }) => key.toString("hex")),
        records.map(({ key }) => key.toString("hex")),
      );
      for (const [index, { data }] of found.entries())
        assert(data.subarray(0, records[index]!.data.length).equals(records[index]!.data));
    }),
    { numRuns: 60 },
  );
});

test("a tree of more nodes than its header node can map has map nodes", () => {
  // 2,048 nodes are in the header's map, 3,936 in each map node.
  function* records() {
    for (let index = 0; index < 24_000; index += 1) yield { key: keyOf(index, 20), data: Buffer.alloc(180, index) };
  }
  const file = built(records(), 20);
  assert(file.readUInt32BE(36) > 2048 + 3936);
  assert.equal(leafRecords(file, numberOf).length, 24_000);
});

test("a file of a given size is filled exactly, or refused", () => {
  const records = Array.from({ length: 40 }, (_, index) => ({ key: keyOf(index, 4), data: Buffer.alloc(100) }));
  const needed = built(records, 0).length / 512;
  assert.equal(leafRecords(Buffer.from(treeFile(records, { ...shape, nodeCount: needed })), numberOf).length, 40);
  assert.throws(() => treeFile(records, { ...shape, nodeCount: needed - 1 }), TreeFull);
});
