import { expect } from "../free-space/volume.ts";

/** `kind` of a node (TN1150). */
export const nodeKind = { leaf: -1, index: 0, header: 1, map: 2 } as const;
const DESCRIPTOR_BYTES = 14;
const OFFSET_BYTES = 2;

/** One node of a B-tree, taken apart. Records have even lengths. */
export type OpenNode = {
  /** Its neighbours on the same level; 0 for none. */
  next: number;
  previous: number;
  readonly kind: number;
  /** 1 for leaves. */
  readonly height: number;
  readonly records: Buffer[];
};

/** @throws {Implausible} */
export function decodeNode(bytes: Buffer): OpenNode {
  const count = bytes.readUInt16BE(10);
  expect(DESCRIPTOR_BYTES + (count + 1) * OFFSET_BYTES <= bytes.length, "a node of its trees is damaged");
  const records: Buffer[] = [];
  for (let index = 0; index < count; index += 1) {
    const from = bytes.readUInt16BE(bytes.length - OFFSET_BYTES * (index + 1));
    const to = bytes.readUInt16BE(bytes.length - OFFSET_BYTES * (index + 2));
    expect(from >= DESCRIPTOR_BYTES && from <= to && to <= bytes.length, "a node of its trees is damaged");
    records.push(Buffer.from(bytes.subarray(from, to)));
  }
  return {
    next: bytes.readUInt32BE(0),
    previous: bytes.readUInt32BE(4),
    kind: bytes.readInt8(8),
    height: bytes.readUInt8(9),
    records,
  };
}

export function encodeNode({ next, previous, kind, height, records }: OpenNode, nodeBytes: number): Buffer {
  const bytes = Buffer.alloc(nodeBytes);
  bytes.writeUInt32BE(next, 0);
  bytes.writeUInt32BE(previous, 4);
  bytes.writeInt8(kind, 8);
  bytes.writeUInt8(height, 9);
  bytes.writeUInt16BE(records.length, 10);
  let at = DESCRIPTOR_BYTES;
  for (const [index, record] of records.entries()) {
    bytes.set(record, at);
    bytes.writeUInt16BE(at, nodeBytes - OFFSET_BYTES * (index + 1));
    at += record.length;
  }
  bytes.writeUInt16BE(at, nodeBytes - OFFSET_BYTES * (records.length + 1));
  return bytes;
}

/** How much of a node records take, with their offsets and the one of the free space. */
export function bytesOfRecords(records: readonly Buffer[]): number {
  return records.reduce((sum, { length }) => sum + length + OFFSET_BYTES, DESCRIPTOR_BYTES + OFFSET_BYTES);
}

/** A key with its length field, and what follows at the next even place. @throws {Implausible} */
export function splitRecord(record: Buffer): { readonly key: Buffer; readonly data: Buffer } {
  expect(record.length >= 2, "a record of its trees is damaged");
  const end = 2 + record.readUInt16BE(0);
  expect(end <= record.length, "a key of its trees is damaged");
  return { key: record.subarray(0, end), data: record.subarray(end + (end & 1)) };
}

export function joinRecord(key: Uint8Array, data: Uint8Array): Buffer {
  const padding = new Uint8Array(key.length & 1);
  return Buffer.concat([key, padding, data, new Uint8Array(data.length & 1)]);
}

/** Where to cut records in two that are too many for one node, so that both halves are about as large. */
export function middleOf(records: readonly Buffer[]): number {
  const half = bytesOfRecords(records) / 2;
  let [at, sum] = [0, 0];
  while (at < records.length - 1 && sum < half) {
    sum += records[at]!.length;
    at += 1;
  }
  return Math.max(1, at);
}
