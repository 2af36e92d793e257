import { expect } from "../free-space/volume.ts";
import { compareNames } from "./names.ts";
import type { KeyOrder } from "./tree-editor.ts";

/** The order of the catalog: folder, then name. @param isCaseSensitive a case-sensitive HFSX */
export function catalogOrder(isCaseSensitive: boolean): KeyOrder {
  return (one, other) =>
    one.readUInt32BE(2) - other.readUInt32BE(2) || compareNames(nameIn(one, 6), nameIn(other, 6), isCaseSensitive);
}

/** The order of the attributes file: whose, name, and where in it a stretch begins (hfs_format.h of xnu). */
export const attributeOrder: KeyOrder = (one, other) =>
  one.readUInt32BE(4) - other.readUInt32BE(4) ||
  compareNames(nameIn(one, 12), nameIn(other, 12), true) ||
  one.readUInt32BE(8) - other.readUInt32BE(8);

/** The order of the extents overflow file: whose, which fork, and where in it a stretch begins. */
export const extentOrder: KeyOrder = (one, other) =>
  one.readUInt32BE(4) - other.readUInt32BE(4) ||
  one.readUInt8(2) - other.readUInt8(2) ||
  one.readUInt32BE(8) - other.readUInt32BE(8);

/** Key of the first extent record that a fork may have. */
export function extentKey(id: number, forkType: number): Buffer {
  const key = Buffer.alloc(12);
  key.writeUInt16BE(10, 0);
  key.writeUInt8(forkType, 2);
  key.writeUInt32BE(id, 4);
  return key;
}

/** Key of the attribute `name`; of the first one without a name. */
export function attributeKey(id: number, name = ""): Buffer {
  const key = Buffer.alloc(14 + name.length * 2);
  key.writeUInt16BE(key.length - 2, 0);
  key.writeUInt32BE(id, 4);
  key.writeUInt16BE(name.length, 12);
  key.set(Buffer.from(name, "utf16le").swap16(), 14);
  return key;
}

/** A name of UTF-16 code units behind their count. @throws {Implausible} */
function nameIn(key: Buffer, at: number): string {
  expect(key.length >= at + 2, "a key of its trees is damaged");
  const end = at + 2 + key.readUInt16BE(at) * 2;
  expect(end <= key.length, "a name of its trees is damaged");
  return Buffer.from(key.subarray(at + 2, end))
    .swap16()
    .toString("utf16le");
}
