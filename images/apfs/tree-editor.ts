import { expect } from "../free-space/volume.ts";
import { numberAt } from "./object.ts";
import { countInRoot, decodeNode, encodeNode, lengthsInRoot, type TreeNode, type TreeRecord } from "./tree-node.ts";

/** Where the nodes of a tree are, by the numbers that their parents know them by. */
export type NodeHome = {
  read(id: number): Promise<Buffer>;
  /** Writes a node in its place, with its new checksum. */
  write(id: number, node: Buffer): Promise<void>;
  /** Finds a place and a number for one more node that is no root, whose header is made of that of another one. */
  add(header: Buffer): Promise<{ readonly id: number; readonly block: Buffer }>;
};

type Step = { readonly id: number; readonly node: TreeNode; readonly index: number };

const MOST_LEVELS = 12;

/**
 * Puts records into a B-tree. A node that has no room is divided; a root that has none gets two nodes below itself, so
 * it stays where it is. Nothing is ever taken out.
 */
export class TreeEditor {
  readonly #home: NodeHome;
  readonly #root: number;
  readonly #isFixed: boolean;
  readonly #compare: (one: Buffer, other: Buffer) => number;

  /** @param options.isFixed of all its nodes, as `TreeNode` has it */
  constructor(
    home: NodeHome,
    root: number,
    { isFixed, compare }: { isFixed: boolean; compare: (one: Buffer, other: Buffer) => number },
  ) {
    this.#home = home;
    this.#root = root;
    this.#isFixed = isFixed;
    this.#compare = compare;
  }

  /** @throws {Implausible} */
  async get(key: Buffer): Promise<Buffer | undefined> {
    const { node, index } = (await this.#path(key)).at(-1)!;
    const record = node.records[index];
    return record !== undefined && this.#compare(record.key, key) === 0 ? record.value : undefined;
  }

  /** Puts one record in, which must not be there, or gives the one of its key another value. @throws {Implausible} */
  async put(record: TreeRecord): Promise<void> {
    const path = await this.#path(record.key);
    const { node, index } = path.at(-1)!;
    const found = node.records[index];
    const isThere = found !== undefined && this.#compare(found.key, record.key) === 0;
    // The key of a node stands in its parent, too.
    expect(isThere || index >= 0 || path.length === 1, "a name in it would stand before all others");
    const records = node.records.toSpliced(isThere ? index : index + 1, isThere ? 1 : 0, record);
    const newNodes = await this.#store(path, records);
    const root = Buffer.from(await this.#home.read(this.#root));
    countInRoot(root, { keys: isThere ? 0 : 1, nodes: newNodes });
    lengthsInRoot(root, record);
    await this.#home.write(this.#root, root);
  }

  /** From the root to the leaf in which a key belongs; `index` is the last record that is not behind it, or -1. */
  async #path(key: Buffer): Promise<Step[]> {
    const path: Step[] = [];
    for (let id = this.#root; ; ) {
      expect(path.length < MOST_LEVELS, "a tree of it has no end");
      const node = decodeNode(await this.#home.read(id));
      const parent = path.at(-1)?.node;
      expect(node.isPlain && node.isFixed === this.#isFixed, "a tree of it is of another kind");
      expect(
        node.isRoot === (parent === undefined) && (parent === undefined || node.level === parent.level - 1),
        "a tree of it is damaged",
      );
      const isSorted = node.records.every(
        (record, index) => index === 0 || this.#compare(node.records[index - 1]!.key, record.key) < 0,
      );
      expect(isSorted, "the names in it are not in their order");
      const index = node.records.findLastIndex((record) => this.#compare(record.key, key) <= 0);
      path.push({ id, node, index });
      if (node.level === 0) return path;
      const child = node.records[index];
      expect(child !== undefined && child.value.length === 8, "a tree of it is damaged");
      id = numberAt(child.value, 0);
    }
  }

  /** Gives the last node of a path other records. @returns how many nodes the tree has more */
  async #store(path: readonly Step[], records: readonly TreeRecord[]): Promise<number> {
    const { id, node } = path.at(-1)!;
    const whole = encodeNode({ ...node, records });
    if (whole !== undefined) {
      await this.#home.write(id, whole);
      return 0;
    }
    if (node.isRoot) {
      const [first, second] = halves({ ...node, isRoot: false }, records);
      const children = [await this.#add(node, first), await this.#add(node, second)];
      const root = encodeNode({ ...node, level: node.level + 1, records: children });
      expect(root !== undefined, "its names are too long");
      await this.#home.write(id, root);
      return 2;
    }
    const [first, second] = halves(node, records);
    await this.#home.write(id, encoded(node, first));
    const parent = path.at(-2)!;
    const entry = await this.#add(node, second);
    return 1 + (await this.#store(path.slice(0, -1), parent.node.records.toSpliced(parent.index + 1, 0, entry)));
  }

  /** One more node beside (or below) another one. @returns what its parent says of it */
  async #add(model: TreeNode, records: readonly TreeRecord[]): Promise<TreeRecord> {
    const { id, block } = await this.#home.add(model.block);
    await this.#home.write(id, encoded({ ...model, block, isRoot: false }, records));
    const value = Buffer.alloc(8);
    value.writeBigUInt64LE(BigInt(id));
    return { key: records[0]!.key, value };
  }
}

function encoded(node: TreeNode, records: readonly TreeRecord[]): Buffer {
  const block = encodeNode({ ...node, records });
  expect(block !== undefined, "there is no room in its tree");
  return block;
}

/** Where the longer part is shortest, as records of one node are. */
function halves(node: TreeNode, records: readonly TreeRecord[]): [readonly TreeRecord[], readonly TreeRecord[]] {
  const sizes = records.map(({ key, value }) => key.length + value.length);
  const all = sizes.reduce((sum, size) => sum + size, 0);
  let best = { place: 1, longest: Infinity };
  let before = 0;
  for (let place = 1; place < records.length; place += 1) {
    before += sizes[place - 1]!;
    const longest = Math.max(before, all - before);
    if (longest < best.longest) best = { place, longest };
  }
  expect(records.length > 1 && node.level < MOST_LEVELS - 1, "there is no room in its tree");
  return [records.slice(0, best.place), records.slice(best.place)];
}
