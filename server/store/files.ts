import { randomUUID } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { realDisk, type StoreDisk } from "./disk.ts";
import { isGone, ownMark } from "./process-mark.ts";

/**
 * Writes beside, syncs, and gives the file its name: whoever finds it finds all of it.
 * The name itself is safe after `syncDirectory`.
 *
 * @param mode "keep" fails with EEXIST when the name is taken
 */
export async function writeWhole(
  disk: StoreDisk,
  temporaryDirectory: string,
  path: string,
  bytes: Uint8Array,
  mode: "replace" | "keep",
): Promise<void> {
  const temporary = join(temporaryDirectory, `${await ownMark()}.${randomUUID()}`);
  let isThere = true;
  try {
    const file = await disk.create(temporary);
    try {
      await file.write(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    if (mode === "replace") {
      await disk.rename(temporary, path);
      isThere = false;
    } else await disk.link(temporary, path);
  } finally {
    if (isThere) await disk.unlink(temporary).catch(() => {});
  }
}

/** Which files of a folder are being written, and from when on nobody writes them any more. */
export type Unfinished = {
  /** The mark of the process that writes a file (process-mark.ts), "" when it has none; undefined leaves the file alone. */
  readonly writerOf: (name: string) => string | undefined;
  /** So long after the last write nobody writes it, wherever its process ran. */
  readonly afterMs: number;
};

/** Those in the folder of a store where files are written: all, each in seconds. */
const storeFiles: Unfinished = { writerOf: (name) => name.split(".")[0], afterMs: 3_600_000 };

/** Removes from a folder the files that processes were writing when they crashed or lost power. */
export async function removeLeftovers(disk: StoreDisk, directory: string, which = storeFiles): Promise<void> {
  for (const name of await readdir(directory)) {
    const writer = which.writerOf(name);
    if (writer === undefined) continue;
    const path = join(directory, name);
    const isDead = /^[0-9a-f]{12}-\d+-\d+$/.test(writer) && (await isGone(writer)) === true;
    // Another process may be done with it in between.
    const written = await stat(path).catch(() => undefined);
    const isOld = written !== undefined && Date.now() - written.mtimeMs > which.afterMs;
    if (isDead || isOld) await disk.unlink(path).catch(() => {});
  }
}

/** Makes the names in a directory survive a power cut. */
export const { syncDirectory } = realDisk;

/** The names in a directory; none when it is missing. */
export async function readdirOrNone(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Whether an error of the file system says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

/** Whether an error of the file system says that there is no room. */
export function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT";
}
