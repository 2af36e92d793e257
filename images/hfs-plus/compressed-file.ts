import { inflateSync } from "node:zlib";
import { Fault } from "../../fault.ts";
import { expect } from "../free-space/volume.ts";
import { decodeLzvn } from "./lzvn.ts";

/** Under this attribute a compressed file has what its data fork lacks (since Mac OS X 10.6). */
export const COMPRESSED_ATTRIBUTE = "com.apple.decmpfs";
/** `ownerFlags` of a file: chflags(2), UF_COMPRESSED. */
export const IS_COMPRESSED = 0x20;
const DAMAGED = "a compressed file is damaged";
const HEADER_BYTES = 16;
const MAGIC = "fpmc";
/** 1, 3, 7: in the attribute. 4, 8: in the resource fork, in chunks of 64 KiB. 11 and 12 are LZFSE. */
const type = { stored: 1, zlib: 3, zlibInResources: 4, lzvn: 7, lzvnInResources: 8 } as const;

/**
 * The content of a compressed file. Little-endian, as only Intel and ARM wrote them.
 * Source: xnu, bsd/sys/decmpfs.h and bsd/kern/decmpfs.c.
 *
 * @param attribute what `COMPRESSED_ATTRIBUTE` holds
 * @param readResources reads its resource fork, which only some need
 * @throws {Fault} COMPRESSED_UNKNOWN
 * @throws {Implausible}
 */
export async function decompressed(
  attribute: Buffer,
  readResources: () => Promise<Buffer>,
  mostBytes: number,
): Promise<Buffer> {
  expect(attribute.length >= HEADER_BYTES && attribute.toString("latin1", 0, 4) === MAGIC, DAMAGED);
  const kind = attribute.readUInt32LE(4);
  const sizeBytes = Number(attribute.readBigUInt64LE(8));
  expect(sizeBytes <= mostBytes, "a compressed file is larger than it may be");
  const inside = attribute.subarray(HEADER_BYTES);
  let content: Buffer;
  if (kind === type.stored) content = inside;
  else if (kind === type.zlib) content = zlibChunk(inside, mostBytes);
  else if (kind === type.lzvn) content = lzvnChunk(inside, mostBytes);
  else if (kind === type.zlibInResources) content = together(zlibChunks(await readResources()), zlibChunk, mostBytes);
  else if (kind === type.lzvnInResources) content = together(lzvnChunks(await readResources()), lzvnChunk, mostBytes);
  else
    throw new Fault("COMPRESSED_UNKNOWN", {
      what: "A file of this Mac is compressed in a way that is not read here.",
      why: `Its kind is ${kind}; read are 1, 3, 4 (zlib), 7 and 8 (LZVN).`,
      fix: 'On the master, write it plain: "ditto --nohfsCompression FILE COPY", and put the copy in its place.',
    });
  expect(content.length === sizeBytes, DAMAGED);
  return content;
}

type Decode = (chunk: Buffer, mostBytes: number) => Buffer;

function together(chunks: readonly Buffer[], decode: Decode, mostBytes: number): Buffer {
  const decoded: Buffer[] = [];
  let left = mostBytes;
  for (const chunk of chunks) {
    decoded.push(decode(chunk, left));
    left -= decoded.at(-1)!.length;
  }
  return Buffer.concat(decoded);
}

/** Behind the resource header and a length: how many chunks, and of each its place in this table and its length. */
function zlibChunks(resources: Buffer): Buffer[] {
  expect(resources.length >= 8, DAMAGED);
  const table = resources.readUInt32BE(0) + 4;
  expect(table + 4 <= resources.length, DAMAGED);
  const count = resources.readUInt32LE(table);
  expect(table + 4 + count * 8 <= resources.length, DAMAGED);
  return Array.from({ length: count }, (_, index) => {
    const at = table + resources.readUInt32LE(table + 4 + index * 8);
    return part(resources, at, at + resources.readUInt32LE(table + 8 + index * 8));
  });
}

/** From the first byte on: where each chunk begins, and where the last one ends. The first begins behind the list. */
function lzvnChunks(resources: Buffer): Buffer[] {
  expect(resources.length >= 8, DAMAGED);
  const places = resources.readUInt32LE(0) / 4;
  expect(Number.isInteger(places) && places >= 2 && places * 4 <= resources.length, DAMAGED);
  return Array.from({ length: places - 1 }, (_, index) =>
    part(resources, resources.readUInt32LE(index * 4), resources.readUInt32LE(index * 4 + 4)),
  );
}

function part(resources: Buffer, from: number, to: number): Buffer {
  expect(from < to && to <= resources.length, DAMAGED);
  return resources.subarray(from, to);
}

/** One that would not become smaller follows as it is, behind a byte that no zlib stream begins with. */
function zlibChunk(bytes: Buffer, mostBytes: number): Buffer {
  if (bytes.length === 0 || (bytes[0]! & 0x0f) === 0x0f) return bytes.subarray(1);
  try {
    return inflateSync(bytes, { maxOutputLength: Math.max(1, mostBytes) });
  } catch {
    expect(false, DAMAGED);
  }
}

/** Here the byte is LZVN's own end. */
function lzvnChunk(bytes: Buffer, mostBytes: number): Buffer {
  return bytes[0] === 0x06 ? bytes.subarray(1) : decodeLzvn(bytes, mostBytes);
}
