import { Fault } from "../../fault.ts";
import {
  BASE_BYTES,
  checksumOf,
  type Hive,
  keyAt,
  openHive,
  roomOf,
  subkeysOf,
  type Value,
  valuesOf,
} from "./registry-cells.ts";

const BIN_BYTES = 4096;
const BIN_HEAD_BYTES = 32;
const REG_SZ = 1;
const REG_BINARY = 3;
const REG_DWORD = 4;
/** Of the keys below one that is looked through. */
const MOST_KEY_DEPTH = 8;

/** A text of a hive, and what it is to be. */
export type RegistryEdit = { readonly key: readonly string[]; readonly value: string; readonly text: string };

/**
 * @throws {Fault} HIVE_DAMAGED, HIVE_DIRTY when changes of it are still in its log, which only Windows reads
 */
export function checkHive(bytes: Buffer): void {
  const { bytes: hive } = openHive(bytes);
  if (hive.readUInt32LE(4) === hive.readUInt32LE(8)) return;
  throw new Fault("HIVE_DIRTY", {
    what: "The registry in the image was not closed cleanly.",
    why: "Its last changes are in a log beside it, which only Windows can write out.",
    fix: "Start the master once, shut it down (with fast start-up off), and make the image again.",
  });
}

/** A text value; undefined where key or value is missing or is no text. Names match in any case. @throws {Fault} HIVE_DAMAGED */
export function registryText(bytes: Buffer, key: readonly string[], value: string): string | undefined {
  const hive = openHive(bytes);
  const found = valueIn(hive, keyAt(hive, key), value);
  return found?.type === REG_SZ ? textOf(found.data) : undefined;
}

/** A 32-bit number; undefined where key or value is missing or is none. @throws {Fault} HIVE_DAMAGED */
export function registryNumber(bytes: Buffer, key: readonly string[], value: string): number | undefined {
  const hive = openHive(bytes);
  const found = valueIn(hive, keyAt(hive, key), value);
  return found?.type === REG_DWORD && found.data.length === 4 ? found.data.readUInt32LE(0) : undefined;
}

/** Names of the keys below `key`; none where it is missing. @throws {Fault} HIVE_DAMAGED */
export function registryKeys(bytes: Buffer, key: readonly string[]): string[] {
  const hive = openHive(bytes);
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
  const hive = openHive(Buffer.from(bytes));
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
  return closed(grown);
}

/**
 * The hive with other bytes in the place of binary values. Where nothing changes, `bytes` itself comes back.
 *
 * @param below the key whose values and those of all keys below it are looked at
 * @param change gives new bytes for a value, as many as it has; undefined leaves it
 * @throws {Fault} HIVE_DAMAGED
 */
export function withRegistryBytes(
  bytes: Buffer,
  below: readonly string[],
  change: (data: Buffer, name: string) => Buffer | undefined,
): Buffer {
  const hive = openHive(Buffer.from(bytes));
  let isChanged = false;
  const visit = (key: number, depth: number): void => {
    for (const { name, type, data } of valuesOf(hive, key)) {
      const fresh = type === REG_BINARY ? change(Buffer.from(data), name) : undefined;
      if (fresh === undefined || fresh.length !== data.length || fresh.equals(data)) continue;
      fresh.copy(data);
      isChanged = true;
    }
    if (depth < MOST_KEY_DEPTH) for (const { offset } of subkeysOf(hive, key)) visit(offset, depth + 1);
  };
  const from = keyAt(hive, below);
  if (from !== undefined) visit(from, 0);
  return isChanged ? closed(hive.bytes) : bytes;
}

/** With its sequence numbers equal again, so that no log is replayed over it. */
function closed(hive: Buffer): Buffer {
  const sequence = (Math.max(hive.readUInt32LE(4), hive.readUInt32LE(8)) + 1) >>> 0;
  hive.writeUInt32LE(sequence, 4);
  hive.writeUInt32LE(sequence, 8);
  hive.writeUInt32LE(checksumOf(hive), 508);
  return hive;
}

function valueIn(hive: Hive, key: number | undefined, name: string): Value | undefined {
  if (key === undefined) return undefined;
  return valuesOf(hive, key).find((value) => value.name.toLowerCase() === name.toLowerCase());
}

function textOf(data: Buffer): string {
  return data.toString("utf16le").replace(/\0.*$/s, "");
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
