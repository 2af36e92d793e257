import type { ByteRange } from "../block.ts";
import { freeRangesOf } from "./bitmap.ts";
import { decodeFork, HfsPlusVolume } from "./hfs-plus-volume.ts";
import { type BlockRun, expect, type FreeSpace, piecesOf, type Volume } from "./volume.ts";

const UNMOUNTED = 0x100;
const INCONSISTENT = 0x800;
const JOURNALED = 0x2000;
const ALLOCATION_FILE = 6;
const ALLOCATION_FORK_AT = 112;
const ROOT_FOLDER = 2;
const FOLDER = 1;
const FILE = 2;
const JOURNAL_IN_VOLUME = 1;
const JOURNAL_MAGIC = 0x4a4e4c78;

/**
 * The free blocks of an HFS Plus or HFSX volume, from its allocation file.
 *
 * It is believed when it was unmounted, is not known to be inconsistent, its
 * journal is empty and as many blocks are free as its header says.
 *
 * Source: Apple TN1150, "HFS Plus Volume Format".
 */
export async function readHfsPlusFreeSpace(volume: Volume): Promise<FreeSpace> {
  const hfs = await HfsPlusVolume.open(volume);
  const { header, blocks, blockBytes } = hfs;
  const attributes = header.readUInt32BE(4);
  const problem =
    (attributes & INCONSISTENT) !== 0
      ? "is marked as inconsistent"
      : (attributes & UNMOUNTED) === 0
        ? "was not unmounted"
        : (attributes & JOURNALED) !== 0 && !(await isJournalEmpty(hfs))
          ? "has a journal that is not empty"
          : undefined;
  if (problem !== undefined) return dirty(problem);
  const runs = await hfs.specialFile(ALLOCATION_FORK_AT, ALLOCATION_FILE);
  const bitmapBytes = Math.ceil(blocks / 8);
  const counted = await countFree(piecesOf(hfs.volume, runs, blockBytes, bitmapBytes), blocks);
  const said = header.readUInt32BE(48);
  if (counted !== said) return dirty(`says that ${said} of its blocks are free, and ${counted} are`);
  const pieces = piecesOf(hfs.volume, runs, blockBytes, bitmapBytes);
  const shape = { startBytes: hfs.volume.startBytes, blockBytes, blocks, isHighBitFirst: true };
  return { state: "known", ranges: freeRangesOf(pieces, shape) };
}

/** Where the swap files and the image of a sleeping Mac lie: all in /private/var/vm. One list for each file. */
export async function findHfsPlusPageFiles(volume: Volume): Promise<(readonly ByteRange[])[]> {
  const hfs = await HfsPlusVolume.open(volume);
  let folder: number | undefined = ROOT_FOLDER;
  for (const name of ["private", "var", "vm"]) {
    if (folder === undefined) return [];
    folder = await folderIn(hfs, folder, name);
  }
  if (folder === undefined) return [];
  const files: ByteRange[][] = [];
  for await (const { name, data } of hfs.children(folder)) {
    const isFile = data.length >= 248 && data.readInt16BE(0) === FILE;
    if (!isFile || !/^(swapfile[0-9]*|sleepimage)$/.test(name)) continue;
    const runs = await hfs.allRuns(decodeFork(data.subarray(88, 168)), data.readUInt32BE(8));
    files.push(runs.map((run) => rangeOf(run, hfs)));
  }
  return files;
}

async function folderIn(hfs: HfsPlusVolume, parent: number, wanted: string): Promise<number | undefined> {
  for await (const { name, data } of hfs.children(parent))
    if (name === wanted && data.length >= 88 && data.readInt16BE(0) === FOLDER) return data.readUInt32BE(8);
  return undefined;
}

function rangeOf({ first, count }: BlockRun, { volume, blockBytes }: HfsPlusVolume): ByteRange {
  return {
    startBytes: volume.startBytes + first * blockBytes,
    endBytes: volume.startBytes + (first + count) * blockBytes,
  };
}

async function isJournalEmpty({ header, volume, blockBytes }: HfsPlusVolume): Promise<boolean> {
  const info = await volume.read(header.readUInt32BE(12) * blockBytes, 52);
  // A journal on another disk is not here, and cannot be looked at.
  if ((info.readUInt32BE(0) & JOURNAL_IN_VOLUME) === 0) return false;
  const journal = await volume.read(Number(info.readBigUInt64BE(36)), 24);
  // Written in the byte order of the machine that made it.
  if (journal.readUInt32BE(0) === JOURNAL_MAGIC) return journal.readBigUInt64BE(8) === journal.readBigUInt64BE(16);
  if (journal.readUInt32LE(0) === JOURNAL_MAGIC) return journal.readBigUInt64LE(8) === journal.readBigUInt64LE(16);
  // One that was never used has no header yet.
  expect(
    journal.every((byte) => byte === 0),
    "its journal is damaged",
  );
  return true;
}

async function countFree(pieces: AsyncIterable<Uint8Array>, blocks: number): Promise<number> {
  let free = 0;
  for await (const { startBytes, endBytes } of freeRangesOf(pieces, {
    startBytes: 0,
    blockBytes: 1,
    blocks,
    isHighBitFirst: true,
  }))
    free += endBytes - startBytes;
  return free;
}

function dirty(problem: string): FreeSpace {
  return {
    state: "dirty",
    problem,
    fix: 'check it with Disk Utility ("First Aid") or "fsck_hfs -f", or start the Mac and shut it down',
  };
}
