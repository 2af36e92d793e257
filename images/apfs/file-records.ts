import { deflateSync } from "node:zlib";
import { lengthAndHashOf, type NameRule } from "./names.ts";
import type { TreeRecord } from "./tree-node.ts";

/**
 * The records of files and folders. Source: Apple File System Reference, "File-System Objects", "Extended Fields";
 * decmpfs.h of xnu.
 */
export const recordKind = { inode: 3, attribute: 4, name: 9 } as const;

/** j_inode_val_t */
export const inodeAt = {
  parent: 0,
  ownId: 8,
  created: 16,
  modified: 24,
  changed: 32,
  accessed: 40,
  flags: 48,
  children: 56,
  generation: 64,
  fileFlags: 68,
  owner: 72,
  group: 76,
  mode: 80,
  contentBytes: 84,
  fields: 92,
} as const;
export const INODE_BYTES = inodeAt.fields;
/** INODE_MAINTAIN_DIR_STATS: somewhere else it stands how much is in this folder and below. */
export const KEEPS_COUNTS = 0x2;
const NO_RESOURCE_FORK = 0x8000n;
/** INODE_HAS_UNCOMPRESSED_SIZE */
const KNOWS_SIZE = 0x4_0000n;
/** UF_COMPRESSED: the content lies in an attribute. */
const COMPRESSED = 0x20;

const fieldType = { name: 4 } as const;
/** XF_DO_NOT_COPY */
const NOT_COPIED = 0x02;

/** DT_DIR and DT_REG, in a folder's record of a name. */
export const entryType = { folder: 4, file: 8 } as const;
const modeType = { folder: 0o040_000, file: 0o100_000 } as const;

const ATTRIBUTE = "com.apple.decmpfs\0";
/** XATTR_DATA_EMBEDDED: its content stands in its record. */
const EMBEDDED = 2;
/** What no file system has trouble with: MAX_DECMPFS_XATTR_SIZE. */
const MOST_ATTRIBUTE_BYTES = 3802;
const MAGIC = "fpmc";
/** zlib, in the attribute itself. */
const ZLIB_INSIDE = 3;

export type NewEntry = {
  readonly kind: "file" | "folder";
  readonly id: number;
  readonly parentId: number;
  /** ASCII */
  readonly name: string;
  readonly rule: NameRule;
  /** Nanoseconds since 1970. */
  readonly now: bigint;
};

/** The three bits at the end of `kind` are above a number of 60 bits. */
export function keyOf(id: number, kind: number, rest: Buffer = Buffer.alloc(0)): Buffer {
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE((BigInt(kind) << 60n) | BigInt(id));
  return Buffer.concat([start, rest]);
}

export function nameRecord({ kind, id, parentId, name, rule, now }: NewEntry): TreeRecord {
  const hash = Buffer.alloc(4);
  hash.writeUInt32LE(lengthAndHashOf(name, rule));
  const value = Buffer.alloc(18);
  value.writeBigUInt64LE(BigInt(id));
  value.writeBigUInt64LE(now, 8);
  value.writeUInt16LE(entryType[kind], 16);
  return { key: keyOf(parentId, recordKind.name, Buffer.concat([hash, Buffer.from(`${name}\0`)])), value };
}

/** Owned by root and its group; files for all to read, folders for all to look into. */
export function inodeRecord({ kind, id, parentId, name, now }: NewEntry, contentBytes = 0): TreeRecord {
  const value = Buffer.alloc(INODE_BYTES);
  value.writeBigUInt64LE(BigInt(parentId), inodeAt.parent);
  value.writeBigUInt64LE(BigInt(id), inodeAt.ownId);
  for (const at of [inodeAt.created, inodeAt.modified, inodeAt.changed, inodeAt.accessed])
    value.writeBigUInt64LE(now, at);
  value.writeBigUInt64LE(NO_RESOURCE_FORK | (kind === "file" ? KNOWS_SIZE : 0n), inodeAt.flags);
  value.writeBigUInt64LE(BigInt(contentBytes), inodeAt.contentBytes);
  // Of a file it is how many names it has.
  value.writeUInt32LE(kind === "file" ? 1 : 0, inodeAt.children);
  value.writeUInt32LE(1, inodeAt.generation);
  value.writeUInt32LE(kind === "file" ? COMPRESSED : 0, inodeAt.fileFlags);
  value.writeUInt16LE(modeType[kind] | (kind === "file" ? 0o644 : 0o755), inodeAt.mode);
  return { key: keyOf(id, recordKind.inode), value: Buffer.concat([value, nameField(name)]) };
}

/** xf_blob_t with one field, padded to eight bytes; the lengths without their own heads. */
function nameField(name: string): Buffer {
  const bytes = Buffer.from(`${name}\0`);
  const field = Buffer.alloc(8 + Math.ceil(bytes.length / 8) * 8);
  field.writeUInt16LE(1, 0);
  field.writeUInt16LE(field.length - 8, 2);
  field.writeUInt8(fieldType.name, 4);
  field.writeUInt8(NOT_COPIED, 5);
  field.writeUInt16LE(bytes.length, 6);
  bytes.copy(field, 8);
  return field;
}

/** The content of a small file, compressed as macOS does it. @returns undefined where it is too much */
export function contentRecord(id: number, content: Uint8Array): TreeRecord | undefined {
  const packed = deflateSync(content, { level: 9 });
  const header = Buffer.alloc(16);
  header.write(MAGIC, 0, "latin1");
  header.writeUInt32LE(ZLIB_INSIDE, 4);
  header.writeBigUInt64LE(BigInt(content.length), 8);
  const data = Buffer.concat([header, packed]);
  if (data.length > MOST_ATTRIBUTE_BYTES) return undefined;
  const head = Buffer.alloc(4);
  head.writeUInt16LE(EMBEDDED, 0);
  head.writeUInt16LE(data.length, 2);
  const name = Buffer.alloc(2 + ATTRIBUTE.length);
  name.writeUInt16LE(ATTRIBUTE.length);
  name.write(ATTRIBUTE, 2, "latin1");
  return { key: keyOf(id, recordKind.attribute, name), value: Buffer.concat([head, data]) };
}

/** Which of two keys of a volume's tree stands first, as a sort wants it. */
export function compareKeys(one: Buffer, other: Buffer): number {
  const [a, b] = [one.readBigUInt64LE(0), other.readBigUInt64LE(0)];
  const ids = compare(BigInt.asUintN(60, a), BigInt.asUintN(60, b));
  if (ids !== 0 || a >> 60n !== b >> 60n) return ids || compare(a >> 60n, b >> 60n);
  const kind = Number(a >> 60n);
  const [mine, theirs] = [one.subarray(8), other.subarray(8)];
  if (kind === recordKind.name && mine.length >= 4 && theirs.length >= 4)
    return (
      compare(mine.readUInt32LE(0), theirs.readUInt32LE(0)) || Buffer.compare(mine.subarray(4), theirs.subarray(4))
    );
  if (kind === recordKind.attribute) return Buffer.compare(mine.subarray(2), theirs.subarray(2));
  if (mine.length >= 8 && theirs.length >= 8) return compare(mine.readBigUInt64LE(0), theirs.readBigUInt64LE(0));
  return mine.length - theirs.length;
}

function compare<T extends number | bigint>(one: T, other: T): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
