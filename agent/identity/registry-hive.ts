import { Fault } from "../../fault.ts";

/**
 * A registry hive of Windows as far as it takes to read values and to give a text value another text.
 * Source: Windows registry file format specification (github.com/msuhanov/regf), little-endian throughout.
 */
const BASE_BYTES = 4096;
const BIN_BYTES = 4096;
const BIN_HEAD_BYTES = 32;
const NO_CELL = 0xffff_ffff;
const ASCII_NAME_OF_KEY = 0x20;
const ASCII_NAME_OF_VALUE = 0x01;
/** In a value's length: its data stands in the place of their offset. */
const INLINE = 0x8000_0000;
const REG_SZ = 1;
const REG_DWORD = 4;
const MOST_DEPTH = 8;

/** A text of a hive, and what it is to be. */
export type RegistryEdit = { readonly key: readonly string[]; readonly value: string; readonly text: string };

type Hive = { readonly bytes: Buffer; readonly end: number; readonly root: number };
type Value = {
  readonly at: number;
  readonly type: number;
  readonly data: Buffer;
  readonly dataCell: number | undefined;
};

/**
 * @throws {Fault} HIVE_DAMAGED, HIVE_DIRTY when changes of it are still in its log, which only Windows reads
 */
export function checkHive(bytes: Buffer): void {
  const { bytes: hive } = open(bytes);
  if (hive.readUInt32LE(4) === hive.readUInt32LE(8)) return;
  throw new Fault("HIVE_DIRTY", {
    what: "The registry in the image was not closed cleanly.",
    why: "Its last changes are in a log beside it, which only Windows can write out.",
    fix: "Start the master once, shut it down (with fast start-up off), and make the image again.",
  });
}

/** A text value; undefined where key or value is missing or is no text. Names match in any case. @throws {Fault} HIVE_DAMAGED */
export function registryText(bytes: Buffer, key: readonly string[], value: string): string | undefined {
  const hive = open(bytes);
  const found = valueIn(hive, keyAt(hive, key), value);
  return found?.type === REG_SZ ? textOf(found.data) : undefined;
}

/** A 32-bit number; undefined where key or value is missing or is none. @throws {Fault} HIVE_DAMAGED */
export function registryNumber(bytes: Buffer, key: readonly string[], value: string): number | undefined {
  const hive = open(bytes);
  const found = valueIn(hive, keyAt(hive, key), value);
  return found?.type === REG_DWORD && found.data.length === 4 ? found.data.readUInt32LE(0) : undefined;
}

/** Names of the keys below `key`; none where it is missing. @throws {Fault} HIVE_DAMAGED */
export function registryKeys(bytes: Buffer, key: readonly string[]): string[] {
  const hive = open(bytes);
  const at = keyAt(hive, key);
  return at === undefined ? [] : subkeysOf(hive, at).map(({ name }) => name);
}

/**
 * The hive with new texts. A text that is not there is not made. Where nothing changes, `bytes` itself comes back.
 *
 * A text that fits is written over the old one, a longer one gets room in a bin of its own behind all others.
 *
 * @throws {Fault} HIVE_DAMAGED
 */
export function withRegistryTexts(bytes: Buffer, edits: readonly RegistryEdit[]): Buffer {
  const hive = open(Buffer.from(bytes));
  const moved: { value: Value; data: Buffer }[] = [];
  let isChanged = false;
  for (const { key, value: name, text } of edits) {
    const value = valueIn(hive, keyAt(hive, key), name);
    if (value === undefined || value.type !== REG_SZ || textOf(value.data) === text) continue;
    isChanged = true;
    const data = Buffer.from(`${text}\0`, "utf16le");
    if (value.dataCell !== undefined && data.length > 4 && data.length <= roomOf(hive, value.dataCell)) {
      data.copy(hive.bytes, value.dataCell + 4);
      hive.bytes.fill(0, value.dataCell + 4 + data.length, value.dataCell + 4 + roomOf(hive, value.dataCell));
      hive.bytes.writeUInt32LE(data.length, value.at + 4);
    } else moved.push({ value, data });
  }
  if (!isChanged) return bytes;
  const grown = moved.length === 0 ? hive.bytes : withNewBin(hive, moved);
  // Equal again, so that no log is replayed over it.
  const sequence = (Math.max(grown.readUInt32LE(4), grown.readUInt32LE(8)) + 1) >>> 0;
  grown.writeUInt32LE(sequence, 4);
  grown.writeUInt32LE(sequence, 8);
  grown.writeUInt32LE(checksumOf(grown), 508);
  return grown;
}

function withNewBin(hive: Hive, moved: readonly { value: Value; data: Buffer }[]): Buffer {
  const cellBytes = (data: Buffer) => Math.ceil((4 + data.length) / 8) * 8;
  const needed = moved.reduce((sum, { data }) => sum + cellBytes(data), BIN_HEAD_BYTES);
  // Room for a free cell behind the others, or none at all: a free cell has 8 bytes at least.
  const binBytes = Math.ceil(needed / BIN_BYTES) * BIN_BYTES;
  const { bytes, end } = hive;
  const grown = Buffer.alloc(Math.max(bytes.length, end + binBytes));
  bytes.copy(grown);
  grown.fill(0, end, end + binBytes);
  grown.write("hbin", end, "latin1");
  grown.writeUInt32LE(end - BASE_BYTES, end + 4);
  grown.writeUInt32LE(binBytes, end + 8);
  let at = end + BIN_HEAD_BYTES;
  for (const { value, data } of moved) {
    if (value.dataCell !== undefined) grown.writeInt32LE(-grown.readInt32LE(value.dataCell), value.dataCell);
    grown.writeInt32LE(-cellBytes(data), at);
    data.copy(grown, at + 4);
    grown.writeUInt32LE(data.length, value.at + 4);
    grown.writeUInt32LE(at - BASE_BYTES, value.at + 8);
    at += cellBytes(data);
  }
  if (at < end + binBytes) grown.writeInt32LE(end + binBytes - at, at);
  grown.writeUInt32LE(end + binBytes - BASE_BYTES, 40);
  return grown;
}

/** XOR of the base block's first 127 words; 0 and -1 are not used. */
function checksumOf(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < 508; at += 4) sum ^= bytes.readInt32LE(at);
  sum >>>= 0;
  return sum === NO_CELL ? NO_CELL - 1 : sum === 0 ? 1 : sum;
}

function open(bytes: Buffer): Hive {
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

function roomOf(hive: Hive, cell: number): number {
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

function keyAt(hive: Hive, key: readonly string[]): number | undefined {
  let at: number | undefined = hive.root;
  for (const name of key) {
    if (at === undefined) return undefined;
    at = subkeysOf(hive, at).find((each) => each.name.toLowerCase() === name.toLowerCase())?.offset;
  }
  return at;
}

function subkeysOf(hive: Hive, key: number): { name: string; offset: number }[] {
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

function valueIn(hive: Hive, key: number | undefined, name: string): Value | undefined {
  if (key === undefined) return undefined;
  const nk = record(hive, key, "nk", 76);
  const count = nk.readUInt32LE(36);
  if (count === 0) return undefined;
  const list = cellAt(hive, nk.readUInt32LE(40), 4);
  if (count * 4 > roomOf(hive, list)) throw damaged("a list of its values is cut off");
  for (let index = 0; index < count; index += 1) {
    const offset = hive.bytes.readUInt32LE(list + 4 + index * 4);
    const vk = record(hive, offset, "vk", 20);
    const isAscii = (vk.readUInt16LE(16) & ASCII_NAME_OF_VALUE) !== 0;
    if (nameIn(vk, 20, vk.readUInt16LE(2), isAscii).toLowerCase() !== name.toLowerCase()) continue;
    const size = vk.readUInt32LE(4);
    const at = BASE_BYTES + offset + 4;
    const type = vk.readUInt32LE(12);
    if (size >= INLINE) return { at, type, data: vk.subarray(8, 8 + Math.min(4, size - INLINE)), dataCell: undefined };
    if (size === 0) return { at, type, data: Buffer.alloc(0), dataCell: undefined };
    const dataCell = cellAt(hive, vk.readUInt32LE(8), 0);
    if (size > roomOf(hive, dataCell)) throw damaged("a value of it is cut off, or larger than any name");
    return { at, type, data: hive.bytes.subarray(dataCell + 4, dataCell + 4 + size), dataCell };
  }
  return undefined;
}

function textOf(data: Buffer): string {
  return data.toString("utf16le").replace(/\0.*$/s, "");
}

function damaged(why: string): Fault {
  return new Fault("HIVE_DAMAGED", {
    what: "The registry in the image cannot be read.",
    why: `It is no whole registry hive: ${why}.`,
    fix: "Check the file system of the master (chkdsk), and make the image again.",
  });
}
