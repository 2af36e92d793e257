import { checksumOf } from "../../../images/apfs/object.ts";

const BLOCK = 4096;
const INFO_BYTES = 40;
const [MAP_BLOCK, MAP_TREE, FIRST_VOLUME] = [3, 4, 10];
const VOLUME_BLOCKS = 20;

export type MadeVolume = {
  readonly paths: readonly string[];
  readonly role?: number;
  readonly isEncrypted?: boolean;
  /** Names without their hash, as on volumes that tell case apart. */
  readonly isPlain?: boolean;
};

/** An APFS container with as much of it as is read: a superblock, an older one, maps, and trees of two levels. */
export function madeContainer(volumes: readonly MadeVolume[]): Buffer {
  const image = Buffer.alloc((FIRST_VOLUME + VOLUME_BLOCKS * volumes.length) * BLOCK);
  const put = (block: number, bytes: Buffer) => {
    bytes.writeBigUInt64LE(checksumOf(bytes), 0);
    bytes.copy(image, block * BLOCK);
  };
  const superblock = (transaction: number, mapBlock: number) => {
    const bytes = Buffer.alloc(BLOCK);
    bytes.writeBigUInt64LE(BigInt(transaction), 16);
    bytes.write("NXSB", 32, "latin1");
    bytes.writeUInt32LE(BLOCK, 36);
    bytes.writeUInt32LE(2, 104);
    bytes.writeBigUInt64LE(1n, 112);
    bytes.writeBigUInt64LE(BigInt(mapBlock), 160);
    bytes.writeUInt32LE(100, 180);
    for (const index of volumes.keys()) bytes.writeBigUInt64LE(BigInt(1000 + index), 184 + index * 8);
    return bytes;
  };
  // The first one is old, and so is its map: there is none.
  put(0, superblock(3, 9));
  put(2, superblock(7, MAP_BLOCK));
  put(MAP_BLOCK, mapOf(MAP_TREE));
  put(MAP_TREE, mapTree(volumes.map((_, index) => [1000 + index, FIRST_VOLUME + index * VOLUME_BLOCKS])));
  for (const [index, volume] of volumes.entries()) putVolume(put, FIRST_VOLUME + index * VOLUME_BLOCKS, volume);
  return image;
}

function putVolume(put: (block: number, bytes: Buffer) => void, at: number, volume: MadeVolume): void {
  const { paths, role = 0, isEncrypted = false, isPlain = false } = volume;
  const superblock = Buffer.alloc(BLOCK);
  superblock.write("APSB", 32, "latin1");
  superblock.writeBigUInt64LE(BigInt(at + 1), 128);
  superblock.writeBigUInt64LE(2000n, 136);
  superblock.writeBigUInt64LE(isEncrypted ? 0n : 1n, 264);
  superblock.write("Macintosh HD", 704, "utf8");
  superblock.writeUInt16LE(role, 964);
  put(at, superblock);
  put(at + 1, mapOf(at + 2));

  const records = recordsOf(paths, isPlain);
  const leaves: Entry[][] = [];
  for (let first = 0; first < records.length; first += 3) leaves.push(records.slice(first, first + 3));
  const ids = leaves.map((_, index) => 2001 + index);
  put(at + 2, mapTree([[2000, at + 3], ...ids.map((id, index) => [id, at + 4 + index] as const)]));
  const children = leaves.map((leaf, index) => ({ key: leaf[0]!.key, value: number64(ids[index]!) }));
  put(at + 3, node(children, { isRoot: true, isLeaf: false, isFixed: false }));
  for (const [index, leaf] of leaves.entries()) {
    put(at + 4 + index, node(leaf, { isRoot: false, isLeaf: true, isFixed: false }));
  }
}

type Entry = { readonly key: Buffer; readonly value: Buffer };

/** Of each file and folder its inode, and its name in its folder. */
function recordsOf(paths: readonly string[], isPlain: boolean): Entry[] {
  const numbers = new Map([["", 2]]);
  const records: Entry[] = [{ key: keyOf(2, 3), value: Buffer.alloc(92) }];
  for (const path of paths) {
    const names = path.split("/");
    for (const index of names.keys()) {
      const own = names.slice(0, index + 1).join("/");
      if (numbers.has(own)) continue;
      const number = 16 + numbers.size;
      numbers.set(own, number);
      const folder = numbers.get(names.slice(0, index).join("/"))!;
      records.push({ key: keyOf(number, 3), value: Buffer.alloc(92) });
      const key = Buffer.concat([keyOf(folder, 9), nameOf(names[index]!, isPlain)]);
      records.push({ key, value: Buffer.concat([number64(number), Buffer.alloc(10)]) });
    }
  }
  const order = ({ key }: Entry) => [BigInt.asUintN(60, key.readBigUInt64LE()), key.readBigUInt64LE() >> 60n] as const;
  return records.sort((one, other) => {
    const [a, b] = [order(one), order(other)];
    if (a[0] !== b[0]) return a[0] < b[0] ? -1 : 1;
    return Number(a[1] - b[1]);
  });
}

function keyOf(number: number, kind: number): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64LE((BigInt(kind) << 60n) | BigInt(number));
  return key;
}

/** The hash is not looked at. */
function nameOf(name: string, isPlain: boolean): Buffer {
  const bytes = Buffer.from(`${name}\0`);
  const length = Buffer.alloc(isPlain ? 2 : 4);
  if (isPlain) length.writeUInt16LE(bytes.length);
  else length.writeUInt32LE((bytes.length | (0x2bcdef << 10)) >>> 0);
  return Buffer.concat([length, bytes]);
}

function mapOf(treeBlock: number): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  bytes.writeBigUInt64LE(BigInt(treeBlock), 48);
  return bytes;
}

/** Each object twice: an older state points to nothing. */
function mapTree(places: readonly (readonly [id: number, block: number])[]): Buffer {
  const entries = places.flatMap(([id, block]) =>
    [
      [5, 0],
      [7, block],
    ].map(([transaction, at]) => ({
      key: Buffer.concat([number64(id), number64(transaction!)]),
      value: Buffer.concat([Buffer.alloc(8), number64(at!)]),
    })),
  );
  return node(entries, { isRoot: true, isLeaf: true, isFixed: true });
}

function node(
  entries: readonly Entry[],
  { isRoot, isLeaf, isFixed }: { isRoot: boolean; isLeaf: boolean; isFixed: boolean },
): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  bytes.writeUInt16LE((isRoot ? 1 : 0) | (isLeaf ? 2 : 0) | (isFixed ? 4 : 0), 32);
  bytes.writeUInt16LE(isLeaf ? 0 : 1, 34);
  bytes.writeUInt32LE(entries.length, 36);
  const entryBytes = isFixed ? 4 : 8;
  bytes.writeUInt16LE(entries.length * entryBytes, 42);
  const keysAt = 56 + entries.length * entryBytes;
  const end = BLOCK - (isRoot ? INFO_BYTES : 0);
  let key = 0;
  let value = 0;
  for (const [index, entry] of entries.entries()) {
    entry.key.copy(bytes, keysAt + key);
    value += entry.value.length;
    entry.value.copy(bytes, end - value);
    const fields = isFixed ? [key, value] : [key, entry.key.length, value, entry.value.length];
    for (const [place, field] of fields.entries()) bytes.writeUInt16LE(field, 56 + index * entryBytes + place * 2);
    key += entry.key.length;
  }
  return bytes;
}

function number64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
