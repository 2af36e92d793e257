import { freeRangesOf } from "./bitmap.ts";
import { type BlockRun, expect, type FreeSpace, piecesOf, type Volume } from "./volume.ts";

const FIRST_CLUSTER = 2;
const LAST_OF_CHAIN = 0xffff_fff7;
const VOLUME_DIRTY = 0x2;
const MEDIA_FAILURE = 0x4;
const ENTRY_BYTES = 32;
const BITMAP_ENTRY = 0x81;
/** The entry of the bitmap stands among the first of the root folder, before any file. */
const MOST_ROOT_BYTES = 1 << 20;
/** A bitmap is made in one piece; a chain longer than this is a circle. */
const MOST_CHAIN = 1 << 20;

type Shape = {
  readonly tableAt: number;
  readonly dataAt: number;
  readonly clusterBytes: number;
  readonly clusters: number;
};

/**
 * The free clusters of an exFAT volume, from its allocation bitmap.
 *
 * Source: Microsoft, "exFAT file system specification" 1.00, sections 3.1, 4.1 and 7.1.
 */
export async function readExfatFreeSpace(volume: Volume): Promise<FreeSpace> {
  const boot = await volume.read(0, 512);
  const flags = boot.readUInt16LE(106);
  if ((flags & (VOLUME_DIRTY | MEDIA_FAILURE)) !== 0) {
    return {
      state: "dirty",
      problem: (flags & VOLUME_DIRTY) !== 0 ? "was not unmounted" : "met errors of its disk",
      fix: 'run "fsck.exfat -y" on it (Windows: "chkdsk /f"), or start the machine and shut it down',
    };
  }
  // With two tables (TexFAT) there are two bitmaps, and the flag says which of them counts.
  if (boot.readUInt8(110) !== 1) return { state: "unknown", reason: "it has two tables (TexFAT)" };
  const shape = shapeOf(boot, volume.sizeBytes);
  const { dataAt, clusterBytes, clusters } = shape;
  const root = await chainOf(volume, shape, boot.readUInt32LE(96), MOST_ROOT_BYTES / clusterBytes);
  const { firstCluster, lengthBytes } = await findBitmap(volume, shape, root);
  expect(lengthBytes >= Math.ceil(clusters / 8), "its bitmap is too short");
  const runs = await chainOf(volume, shape, firstCluster, Math.ceil(lengthBytes / clusterBytes));
  const bitmap = piecesOf(volume.part(dataAt, clusters * clusterBytes), runs, clusterBytes, Math.ceil(clusters / 8));
  const startBytes = volume.startBytes + dataAt;
  return { state: "known", ranges: freeRangesOf(bitmap, { startBytes, blockBytes: clusterBytes, blocks: clusters }) };
}

function shapeOf(boot: Buffer, sizeBytes: number): Shape {
  const sectorShift = boot.readUInt8(108);
  const clusterShift = boot.readUInt8(109);
  expect(sectorShift >= 9 && sectorShift <= 12 && sectorShift + clusterShift <= 25, "its cluster size is impossible");
  const sectorBytes = 1 << sectorShift;
  const clusterBytes = 1 << (sectorShift + clusterShift);
  const dataAt = boot.readUInt32LE(88) * sectorBytes;
  const clusters = boot.readUInt32LE(92);
  expect(clusters > 0 && dataAt + clusters * clusterBytes <= sizeBytes, "it is larger than its partition");
  return { tableAt: boot.readUInt32LE(80) * sectorBytes, dataAt, clusterBytes, clusters };
}

/**
 * The clusters of a chain as runs, numbered from 0 as in the bitmap.
 *
 * @param most so many are enough: the rest is not looked at
 */
async function chainOf(
  volume: Volume,
  { tableAt, clusters }: Shape,
  firstCluster: number,
  most: number,
): Promise<BlockRun[]> {
  const runs: { first: number; count: number }[] = [];
  expect(most <= MOST_CHAIN, "its bitmap is too long");
  let cluster = firstCluster;
  for (let length = 0; length < Math.max(1, most) && cluster < LAST_OF_CHAIN; length += 1) {
    expect(cluster >= FIRST_CLUSTER && cluster < clusters + FIRST_CLUSTER, "a chain leads out of it");
    const last = runs.at(-1);
    const number = cluster - FIRST_CLUSTER;
    if (last !== undefined && last.first + last.count === number) last.count += 1;
    else runs.push({ first: number, count: 1 });
    cluster = (await volume.read(tableAt + cluster * 4, 4)).readUInt32LE();
  }
  return runs;
}

async function findBitmap(volume: Volume, { dataAt, clusterBytes }: Shape, root: readonly BlockRun[]) {
  for (const { first, count } of root) {
    const length = Math.min(count * clusterBytes, MOST_ROOT_BYTES);
    const entries = await volume.read(dataAt + first * clusterBytes, length);
    for (let at = 0; at < entries.length; at += ENTRY_BYTES) {
      if (entries[at] !== BITMAP_ENTRY || (entries[at + 1]! & 1) !== 0) continue;
      const lengthBytes = Number(entries.readBigUInt64LE(at + 24));
      return { firstCluster: entries.readUInt32LE(at + 20), lengthBytes };
    }
  }
  expect(false, "it has no bitmap");
}
