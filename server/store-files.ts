import { randomUUID } from "node:crypto";
import { link, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * Writes beside, syncs, and gives the file its name: whoever finds it finds all of it.
 * The name itself is safe after `syncDirectory`.
 *
 * @param mode "keep" fails with EEXIST when the name is taken
 */
export async function writeWhole(
  temporaryDirectory: string,
  path: string,
  bytes: Uint8Array,
  mode: "replace" | "keep",
): Promise<void> {
  const temporary = join(temporaryDirectory, randomUUID());
  try {
    const file = await open(temporary, "wx", 0o644);
    try {
      await file.writeFile(bytes);
      await file.datasync();
    } finally {
      await file.close();
    }
    if (mode === "replace") await rename(temporary, path);
    else await link(temporary, path);
  } finally {
    await unlink(temporary).catch(() => {});
  }
}

// A file is written in seconds: whatever is older has no writer any more.
const LEFTOVER_AFTER_MS = 3_600_000;

/** Removes from a folder for temporary files what crashed processes left there. */
export async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    // Another process may be done with it in between.
    const written = await stat(path).catch(() => undefined);
    if (written !== undefined && Date.now() - written.mtimeMs > LEFTOVER_AFTER_MS) await unlink(path).catch(() => {});
  }
}

/** Makes the names in a directory survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

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
