import { Fault } from "../../fault.ts";

/**
 * The cells of a registry hive of Windows.
 * Source: Windows registry file format specification (github.com/msuhanov/regf), little-endian throughout.
 */
export const BASE_BYTES = 4096;
const BIN_BYTES = 4096;
const NO_CELL = 0xffff_ffff;
const ASCII_NAME_OF_KEY = 0x20;
const ASCII_NAME_OF_VALUE = 0x01;
/** In a value's length: its data stands in the place of their offset. */
const INLINE = 0x8000_0000;
const MOST_DEPTH = 8;

export type Hive = { readonly bytes: Buffer; readonly end: number; readonly root: number };
/** `data` is a part of the hive. */
export type Value = {
  readonly name: string;
  readonly at: number;
  readonly type: number;
  readonly data: Buffer;
  readonly dataCell: number | undefined;
};

/** XOR of the base block's first 127 words; 0 and -1 are not used. */
export function checksumOf(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < 508; at += 4) sum ^= bytes.readInt32LE(at);
  sum >>>= 0;
  return sum === NO_CELL ? NO_CELL - 1 : sum === 0 ? 1 : sum;
}

/** @throws {Fault} HIVE_DAMAGED */
export function openHive(bytes: Buffer): Hive {
  if (bytes.length < BASE_BYTES || bytes.toString("latin1", 0, 4) !== "regf") throw damaged("it does not begin as one");
  if (checksumOf(bytes) !== bytes.readUInt32LE(508)) throw damaged("its first block does not have the right sum");
  const end = BASE_BYTES + bytes.readUInt32LE(40);
  if (end > bytes.length || end % BIN_BYTES !== 0) throw damaged("it is cut off");
  return { bytes, end, root: bytes.readUInt32LE(36) };
}

/** Where a cell lies in the file, its size first. */
function cellAt(hive: Hive, offset: number, leastBytes: number): number {
  const at = BASE_BYTES + offset;
  if (offset === NO_CELL || at + 4 > hive.end) throw damaged("it points out of itself");
  const size = -hive.bytes.readInt32LE(at);
  if (size < leastBytes + 4 || at + size > hive.end) throw damaged("a cell of it is too small or not in use");
  return at;
}

export function roomOf(hive: Hive, cell: number): number {
  return -hive.bytes.readInt32LE(cell) - 4;
}

/** A cell's content, of which the first bytes are its kind. */
function record(hive: Hive, offset: number, kind: string, leastBytes: number): Buffer {
  const at = cellAt(hive, offset, leastBytes);
  const content = hive.bytes.subarray(at + 4, at + 4 + roomOf(hive, at));
  if (content.toString("latin1", 0, 2) !== kind) throw damaged(`a "${kind}" is missing`);
  return content;
}

function nameIn(content: Buffer, at: number, length: number, isAscii: boolean): string {
  if (at + length > content.length) throw damaged("a name of it is cut off");
  return content.toString(isAscii ? "latin1" : "utf16le", at, at + length);
}

export function keyAt(hive: Hive, key: readonly string[]): number | undefined {
  let at: number | undefined = hive.root;
  for (const name of key) {
    if (at === undefined) return undefined;
    at = subkeysOf(hive, at).find((each) => each.name.toLowerCase() === name.toLowerCase())?.offset;
  }
  return at;
}

export function subkeysOf(hive: Hive, key: number): { name: string; offset: number }[] {
  const nk = record(hive, key, "nk", 76);
  if (nk.readUInt32LE(20) === 0) return [];
  return listed(hive, nk.readUInt32LE(28), 0).map((offset) => {
    const child = record(hive, offset, "nk", 76);
    const isAscii = (child.readUInt16LE(2) & ASCII_NAME_OF_KEY) !== 0;
    return { offset, name: nameIn(child, 76, child.readUInt16LE(72), isAscii) };
  });
}

/** The keys in a list, or in the lists of a list. */
function listed(hive: Hive, offset: number, depth: number): number[] {
  const at = cellAt(hive, offset, 4);
  const content = hive.bytes.subarray(at + 4, at + 4 + roomOf(hive, at));
  const kind = content.toString("latin1", 0, 2);
  const step = kind === "lf" || kind === "lh" ? 8 : 4;
  const count = content.readUInt16LE(2);
  if (!["lf", "lh", "li", "ri"].includes(kind) || 4 + count * step > content.length || depth > MOST_DEPTH) {
    throw damaged("a list of its keys is not right");
  }
  const offsets = Array.from({ length: count }, (_, index) => content.readUInt32LE(4 + index * step));
  return kind === "ri" ? offsets.flatMap((each) => listed(hive, each, depth + 1)) : offsets;
}

/** @throws {Fault} HIVE_DAMAGED */
export function valuesOf(hive: Hive, key: number): Value[] {
  const nk = record(hive, key, "nk", 76);
  const count = nk.readUInt32LE(36);
  if (count === 0) return [];
  const list = cellAt(hive, nk.readUInt32LE(40), 4);
  if (count * 4 > roomOf(hive, list)) throw damaged("a list of its values is cut off");
  return Array.from({ length: count }, (_, index) => valueAt(hive, hive.bytes.readUInt32LE(list + 4 + index * 4)));
}

function valueAt(hive: Hive, offset: number): Value {
  const vk = record(hive, offset, "vk", 20);
  const isAscii = (vk.readUInt16LE(16) & ASCII_NAME_OF_VALUE) !== 0;
  const name = nameIn(vk, 20, vk.readUInt16LE(2), isAscii);
  const size = vk.readUInt32LE(4);
  const at = BASE_BYTES + offset + 4;
  const type = vk.readUInt32LE(12);
  if (size >= INLINE)
    return { name, at, type, data: vk.subarray(8, 8 + Math.min(4, size - INLINE)), dataCell: undefined };
  if (size === 0) return { name, at, type, data: Buffer.alloc(0), dataCell: undefined };
  const dataCell = cellAt(hive, vk.readUInt32LE(8), 0);
  // Large data lies in pieces elsewhere, and is nothing that is looked for here.
  if (size > roomOf(hive, dataCell)) return { name, at, type, data: Buffer.alloc(0), dataCell: undefined };
  return { name, at, type, data: hive.bytes.subarray(dataCell + 4, dataCell + 4 + size), dataCell };
}
function damaged(why: string): Fault {
  return new Fault("HIVE_DAMAGED", {
    what: "The registry in the image cannot be read.",
    why: `It is no whole registry hive: ${why}.`,
    fix: "Check the file system of the master (chkdsk), and make the image again.",
  });
}
