import { crc32 } from "node:zlib";
import type { BlockSource } from "../block.ts";
import { compareChecksum, hasChecksum } from "./checksum.ts";
import { crc32WithZeros } from "./crc-zeros.ts";
import type { DataFork } from "./data-fork.ts";
import type { RunMap, RunTable } from "./run-map.ts";
import type { UdifTrailer } from "./trailer.ts";

type Parts = {
  readonly trailer: UdifTrailer;
  readonly fork: DataFork;
  readonly map: RunMap;
  readonly disk: BlockSource;
};

const READ_BYTES = 2 ** 20;

/**
 * Compares with every checksum that a .dmg carries: that over the partitions'
 * checksums, that of the data as it is stored, and each partition's. One that is absent is passed over.
 *
 * @param onProgress bytes that were checked, as stored and unpacked together
 * @throws {Fault} UDIF_CHECKSUM, UDIF_CHECKSUM_KIND, UDIF_CHUNK, and what the file's source throws
 */
export async function verifyUdif(
  { trailer, fork, map, disk }: Parts,
  onProgress: (doneBytes: number, totalBytes: number) => void = () => {},
): Promise<void> {
  const hasMaster = hasChecksum(trailer.masterChecksum, "the whole image");
  const hasData = hasChecksum(trailer.dataChecksum, "the data as it is stored");
  // What cannot be checked is said before everything is read.
  for (const { checksum, name } of map.tables) hasChecksum(checksum, `partition "${name}"`);
  if (hasMaster) compareChecksum(trailer.masterChecksum, masterOf(map), "the whole image");
  const totalBytes = (hasData ? fork.lengthBytes : 0) + map.sizeBytes;
  let doneBytes = 0;
  const add = (bytes: number) => {
    doneBytes += bytes;
    onProgress(doneBytes, totalBytes);
  };
  if (hasData) compareChecksum(trailer.dataChecksum, await crcOfFork(fork, add), "the data as it is stored");
  await compareTables(map, disk, add);
}

/**
 * Compares a copy of the disk with each partition's checksum, and these with that of the whole image. What the image
 * calls unused is in no checksum.
 *
 * @throws {Fault} UDIF_CHECKSUM, UDIF_CHECKSUM_KIND, and what `copy` throws
 */
export async function verifyUdifCopy(
  { trailer, map }: Pick<Parts, "trailer" | "map">,
  copy: BlockSource,
  onProgress: (doneBytes: number, totalBytes: number) => void = () => {},
): Promise<void> {
  if (hasChecksum(trailer.masterChecksum, "the whole image"))
    compareChecksum(trailer.masterChecksum, masterOf(map), "the whole image");
  let doneBytes = 0;
  await compareTables(map, copy, (bytes) => {
    doneBytes += bytes;
    onProgress(doneBytes, map.sizeBytes);
  });
}

async function compareTables(map: RunMap, disk: BlockSource, add: (bytes: number) => void): Promise<void> {
  for (const table of map.tables) {
    const crc = await crcOfTable(table, map, disk, add);
    const name = `partition "${table.name}"`;
    if (hasChecksum(table.checksum, name)) compareChecksum(table.checksum, crc, name);
  }
}

/** Over the four bytes of each table's checksum, in the order of the disk. */
function masterOf(map: RunMap): number {
  const sums = Buffer.alloc(map.tables.length * 4);
  for (const [index, { checksum }] of map.tables.entries()) sums.writeUInt32BE(checksum.crc32, index * 4);
  return crc32(sums);
}

async function crcOfFork(fork: DataFork, add: (bytes: number) => void): Promise<number> {
  let crc = 0;
  for (let at = 0; at < fork.lengthBytes; at += READ_BYTES) {
    const bytes = await fork.read(at, Math.min(READ_BYTES, fork.lengthBytes - at));
    crc = crc32(bytes, crc);
    add(bytes.length);
  }
  return crc;
}

/** Zero runs count in it, unused ones do not. */
async function crcOfTable(
  table: RunTable,
  map: RunMap,
  disk: BlockSource,
  add: (bytes: number) => void,
): Promise<number> {
  let crc = 0;
  for (let index = table.firstRun; index < table.endRun; index += 1) {
    const { kind, startBytes, endBytes } = map.run(index);
    if (kind === "zero" || kind === "unused") {
      if (kind === "zero") crc = crc32WithZeros(crc, endBytes - startBytes);
      add(endBytes - startBytes);
      continue;
    }
    for (let at = startBytes; at < endBytes; ) {
      const bytes = await disk.read(at, Math.min(READ_BYTES, endBytes - at));
      crc = crc32(bytes, crc);
      at += bytes.length;
      add(bytes.length);
    }
  }
  return crc;
}
