import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** What an ext4 volume with a folder's content must have room for. */
export type FolderSize = {
  /** Every file's length, rounded up to whole blocks; files with several names once. */
  readonly contentBytes: number;
  /** What it takes on the disk where it is now. */
  readonly storedBytes: number;
  readonly entries: number;
};

const BLOCK_BYTES = 4096;
const MIB = 1 << 20;

/** Measures a folder, without other file systems that are mounted in it. */
export async function measureFolder(root: string, signal?: AbortSignal): Promise<FolderSize> {
  const { dev } = await lstat(root);
  const seen = new Set<string>();
  const waiting = [root];
  let [contentBytes, storedBytes, entries] = [0, 0, 1];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    signal?.throwIfAborted();
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const found = await lstat(path);
      entries += 1;
      if (found.isDirectory()) {
        contentBytes += Math.ceil(found.size / BLOCK_BYTES) * BLOCK_BYTES;
        if (found.dev === dev) waiting.push(path);
        continue;
      }
      if (found.nlink > 1) {
        if (seen.has(`${found.ino}`)) continue;
        seen.add(`${found.ino}`);
      }
      contentBytes += Math.ceil(found.size / BLOCK_BYTES) * BLOCK_BYTES;
      storedBytes += found.blocks * 512;
    }
  }
  return { contentBytes, storedBytes, entries };
}

/** The volume as it is made first. It is generous: it is a file with holes, and is made as small as it can be afterwards. */
export function firstVolume({ contentBytes, entries }: FolderSize): {
  readonly sizeBytes: number;
  readonly inodes: number;
  readonly journalMiB: number;
} {
  // A block for each entry: its extended attributes, or a long link.
  const neededBytes = contentBytes + entries * BLOCK_BYTES;
  const inodes = Math.max(Math.ceil(entries * 1.2) + 256, Math.ceil(neededBytes / 16384));
  const journalMiB = neededBytes < 128 * MIB ? 4 : neededBytes < 1024 * MIB ? 16 : 64;
  const sizeBytes = Math.ceil(((neededBytes + inodes * 256) * 1.05) / MIB) * MIB + (journalMiB + 16) * MIB;
  return { sizeBytes, inodes, journalMiB };
}
