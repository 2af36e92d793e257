import assert from "node:assert/strict";

/** One thing in a volume, as the judge found it. */
export type FoundEntry = {
  readonly path: string;
  readonly id: number;
  readonly record: Buffer;
  /** Of a file or a link, the file's own where the name leads to a shared one. */
  readonly content?: Buffer;
};

type Record = { readonly parentId: number; readonly name: string; readonly data: Buffer };
type Fork = { readonly sizeBytes: number; readonly blocks: number; readonly runs: [number, number][] };

/**
 * Reads a whole HFS Plus volume with nothing of the code that writes them, and
 * fails on everything that fsck_hfs would: trees, order of keys, links between
 * nodes, their map, threads, counts, valences, and a bitmap in which every block
 * belongs to exactly one file. TN1150 is its only source.
 */
export function checkedVolume(volume: Buffer): Map<string, FoundEntry> {
  const header = volume.subarray(1024, 1536);
  // macOS lets the copy's counts fall behind.
  const copy = volume.subarray(volume.length - 1024, volume.length - 512);
  for (const [from, to] of [
    [0, 4],
    [40, 48],
  ])
    assert.deepEqual(copy.subarray(from, to), header.subarray(from, to));
  const isCaseSensitive = header.toString("latin1", 0, 2) === "HX";
  const blockBytes = header.readUInt32BE(40);
  const totalBlocks = header.readUInt32BE(44);
  const owner = new Map<number, string>();
  const take = (fork: Fork, name: string) => {
    let blocks = 0;
    for (const [first, count] of fork.runs) {
      for (let block = first; block < first + count; block += 1) {
        assert(block < totalBlocks, `${name} leads out`);
        assert(!owner.has(block), `block ${block} belongs to ${owner.get(block)} and ${name}`);
        owner.set(block, name);
      }
      blocks += count;
    }
    assert.equal(blocks, fork.blocks, `${name}: blocks`);
    assert(fork.sizeBytes <= blocks * blockBytes, `${name}: length`);
    return fork;
  };
  const bytesOf = ({ runs, sizeBytes }: Fork) =>
    Buffer.concat(
      runs.map(([first, count]) => volume.subarray(first * blockBytes, (first + count) * blockBytes)),
    ).subarray(0, sizeBytes);
  for (let at = 0; at < 1536; at += blockBytes) owner.set(Math.floor(at / blockBytes), "header");
  for (const at of [1024, 512]) owner.set(Math.floor((totalBlocks * blockBytes - at) / blockBytes), "header's copy");

  const extentsFork = take(forkOf(header, 192), "extents");
  const extents = leafRecords(bytesOf(extentsFork), (key) => [
    key.readUInt32BE(4),
    key.readUInt8(2),
    key.readUInt32BE(8),
  ]);
  const whole = (fork: Fork, id: number, type: number): Fork => ({
    ...fork,
    runs: [
      ...fork.runs,
      ...extents
        .filter(({ key }) => key.readUInt32BE(4) === id && key.readUInt8(2) === type)
        .flatMap(({ data }) => runsOf(data, 0)),
    ],
  });
  const bitmap = bytesOf(take(whole(forkOf(header, 112), 6, 0), "bitmap"));
  const catalog = take(whole(forkOf(header, 272), 4, 0), "catalog");
  const attributes = take(whole(forkOf(header, 352), 8, 0), "attributes");

  const folded = (name: string) => (isCaseSensitive ? name : name.replace(/[A-Z]/g, (letter) => letter.toLowerCase()));
  const inOrder = (name: string) => folded(name).replaceAll("\0", "\uffff");
  const records: Record[] = leafRecords(bytesOf(catalog), (key) => [key.readUInt32BE(2), inOrder(nameAt(key, 6))]).map(
    ({ key, data }) => ({ parentId: key.readUInt32BE(2), name: nameAt(key, 6), data }),
  );
  const threads = new Map<number, Record>();
  const entries = new Map<number, Record>();
  for (const record of records) {
    const type = record.data.readUInt16BE(0);
    if (type >= 3) {
      assert.equal(record.name, "", "a thread has no name in its key");
      threads.set(record.parentId, record);
    } else entries.set(record.data.readUInt32BE(8), record);
  }
  assert.equal(threads.size, entries.size, "a thread for each entry");
  let [files, folders] = [0, 0];
  const valence = new Map<number, number>();
  const found = new Map<string, FoundEntry>();
  const pathOf = (id: number): string => {
    if (id === 2) return "";
    const { parentId, name } = entries.get(id)!;
    return `${pathOf(parentId)}/${name}`;
  };
  const contents = new Map<number, Buffer>();
  for (const [id, { parentId, name, data }] of entries) {
    const thread = threads.get(id);
    assert(thread !== undefined, `${name} has a thread`);
    assert.deepEqual([thread.data.readUInt32BE(4), nameAt(thread.data, 8)], [parentId, name], `the thread of ${name}`);
    assert(id < header.readUInt32BE(64), `the id of ${name}`);
    if (id !== 2) valence.set(parentId, (valence.get(parentId) ?? 0) + 1);
    const isFolder = data.readUInt16BE(0) === 1;
    assert.equal(thread.data.readUInt16BE(0), isFolder ? 3 : 4);
    if (isFolder) folders += 1;
    else {
      files += 1;
      contents.set(id, bytesOf(take(whole(forkOf(data, 88), id, 0), pathOf(id))));
      take(whole(forkOf(data, 168), id, 0xff), `${pathOf(id)} (resources)`);
    }
  }
  for (const [id, { data, name }] of entries)
    if (data.readUInt16BE(0) === 1) assert.equal(data.readUInt32BE(4), valence.get(id) ?? 0, `valence of ${name}`);
  for (const { key, data } of extents)
    assert(contents.has(key.readUInt32BE(4)) || key.readUInt32BE(4) < 16, `extents of nobody: ${data.length}`);
  if (attributes.sizeBytes > 0)
    for (const { key, data } of leafRecords(bytesOf(attributes), (one) => [one.readUInt32BE(4), nameAt(one, 12)])) {
      assert(entries.has(key.readUInt32BE(4)), "attributes of nobody");
      if (data.readUInt32BE(0) === 0x20) take(forkOf(data, 8), "an attribute");
    }
  // The journal and its info block are files of the catalog where macOS made them, and nobody's elsewhere.
  if ((header.readUInt32BE(4) & 0x2000) !== 0) {
    const info = header.readUInt32BE(12);
    const [at, length] = [36, 44].map(
      (field) => Number(volume.readBigUInt64BE(info * blockBytes + field)) / blockBytes,
    );
    for (const block of [info, ...Array.from({ length: length! }, (_, index) => at! + index)])
      if (!owner.has(block)) owner.set(block, "journal");
  }
  assert.deepEqual([header.readUInt32BE(32), header.readUInt32BE(36)], [files, folders - 1], "counts of the header");
  let free = 0;
  for (let block = 0; block < totalBlocks; block += 1) {
    const isUsed = (bitmap[block >> 3]! & (0x80 >> (block & 7))) !== 0;
    assert.equal(isUsed, owner.has(block), `block ${block}: ${owner.get(block) ?? "nobody's"}`);
    if (!isUsed) free += 1;
  }
  assert.equal(header.readUInt32BE(48), free, "free blocks");
  for (const [id, { data }] of entries) {
    if (id === 2) continue;
    const path = pathOf(id);
    const isLinked = data.readUInt16BE(0) === 2 && data.toString("latin1", 48, 56) === "hlnkhfs+";
    const contentId = isLinked ? fileOfName(data, entries) : id;
    const content = contents.get(contentId);
    found.set(path, { path, id, record: data, ...(content && { content }) });
  }
  return found;
}

/** The shared file that a name leads to. */
function fileOfName(data: Buffer, entries: ReadonlyMap<number, Record>): number {
  const wanted = `iNode${data.readUInt32BE(44)}`;
  for (const [id, { name, parentId }] of entries)
    if (name === wanted && entries.get(parentId)?.name === "\0\0\0\0HFS+ Private Data") return id;
  assert.fail(`no ${wanted}`);
}

function nameAt(bytes: Buffer, at: number): string {
  const end = at + 2 + bytes.readUInt16BE(at) * 2;
  return Buffer.from(bytes.subarray(at + 2, end))
    .swap16()
    .toString("utf16le");
}

function forkOf(bytes: Buffer, at: number): Fork {
  return {
    sizeBytes: Number(bytes.readBigUInt64BE(at)),
    blocks: bytes.readUInt32BE(at + 12),
    runs: runsOf(bytes, at + 16),
  };
}

function runsOf(bytes: Buffer, at: number): [number, number][] {
  const runs: [number, number][] = [];
  for (let index = 0; index < 8; index += 1) {
    const count = bytes.readUInt32BE(at + index * 8 + 4);
    if (count > 0) runs.push([bytes.readUInt32BE(at + index * 8), count]);
  }
  return runs;
}

/** All records of a tree, each node reached from above and from its neighbour, keys ascending, the map right. */
export function leafRecords(
  file: Buffer,
  keyOf: (key: Buffer) => readonly (number | string)[],
): { readonly key: Buffer; readonly data: Buffer }[] {
  const nodeBytes = file.readUInt16BE(32);
  const node = (number: number) => file.subarray(number * nodeBytes, (number + 1) * nodeBytes);
  const recordsOf = (number: number) => {
    const bytes = node(number);
    return Array.from({ length: bytes.readUInt16BE(10) }, (_, index) =>
      bytes.subarray(bytes.readUInt16BE(nodeBytes - 2 * (index + 1)), bytes.readUInt16BE(nodeBytes - 2 * (index + 2))),
    );
  };
  const split = (record: Buffer) => {
    const end = 2 + record.readUInt16BE(0);
    return { key: record.subarray(0, end), data: record.subarray(end + (end & 1)) };
  };
  const [depth, root, leafCount] = [file.readUInt16BE(14), file.readUInt32BE(16), file.readUInt32BE(20)];
  const totalNodes = file.readUInt32BE(36);
  assert.equal(totalNodes * nodeBytes, file.length, "nodes of the tree");
  const used = new Set([0]);
  const found: { key: Buffer; data: Buffer }[] = [];
  const leaves: number[] = [];
  const visit = (number: number, height: number, firstKey?: Buffer) => {
    assert(!used.has(number), `node ${number} is reached twice`);
    used.add(number);
    assert.deepEqual([node(number).readInt8(8), node(number).readUInt8(9)], [height === 1 ? -1 : 0, height]);
    const records = recordsOf(number).map(split);
    assert(records.length > 0, "an empty node");
    if (firstKey !== undefined) assert.deepEqual(records[0]!.key, firstKey, "the key above a node");
    if (height === 1) {
      leaves.push(number);
      found.push(...records);
    } else for (const { key, data } of records) visit(data.readUInt32BE(0), height - 1, key);
  };
  if (depth > 0) visit(root, depth);
  for (const [at, number] of leaves.entries()) {
    const links = [node(number).readUInt32BE(0), node(number).readUInt32BE(4)];
    assert.deepEqual(links, [leaves[at + 1] ?? 0, leaves[at - 1] ?? 0], "links of leaves");
  }
  const [firstLeaf, lastLeaf] = [file.readUInt32BE(24), file.readUInt32BE(28)];
  assert.deepEqual([firstLeaf, lastLeaf, leafCount], [leaves[0] ?? 0, leaves.at(-1) ?? 0, found.length], "leaves");
  let map = recordsOf(0)[2]!;
  for (let number = node(0).readUInt32BE(0); number !== 0; number = node(number).readUInt32BE(0)) {
    assert.equal(node(number).readInt8(8), 2, "a map node");
    used.add(number);
    map = Buffer.concat([map, recordsOf(number)[0]!]);
  }
  for (let number = 0; number < totalNodes; number += 1)
    assert.equal((map[number >> 3]! & (0x80 >> (number & 7))) !== 0, used.has(number), `node ${number} in the map`);
  assert.equal(file.readUInt32BE(40), totalNodes - used.size, "free nodes");
  for (const [at, { key }] of found.entries()) {
    if (at === 0) continue;
    assert(isBefore(keyOf(found[at - 1]!.key), keyOf(key)), `keys ascend: ${key.toString("hex")}`);
  }
  return found;
}

function isBefore(one: readonly (number | string)[], other: readonly (number | string)[]): boolean {
  for (const [at, value] of one.entries()) if (value !== other[at]) return value < other[at]!;
  return false;
}
