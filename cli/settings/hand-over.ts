import { closeSync, constants, fstatSync, lchownSync, lstatSync, openSync, readdirSync, statSync } from "node:fs";

/**
 * When root works on the data of a server that runs as another user, what root makes there is given to that user at
 * the end: the server must be able to write beside it, and to remove it.
 */
export function handOverAtExit(dataDir: string): void {
  if (process.getuid?.() !== 0 || watched.has(dataDir)) return;
  watched.add(dataDir);
  const startedMs = Date.now() - process.uptime() * 1000;
  process.once("exit", () => {
    const owner = statSync(dataDir, { throwIfNoEntry: false });
    if (owner !== undefined && owner.uid !== 0) handOver(dataDir, owner, startedMs);
  });
}

const watched = new Set<string>();

/**
 * Gives what root has in a folder to its owner, where something came or went since `sinceMs`.
 *
 * That user might exchange a folder for a link while we walk, so that root would give away something else: each folder
 * is held open and its entries are named through that, and a link is never followed.
 */
export function handOver(path: string, owner: { readonly uid: number; readonly gid: number }, sinceMs: number): void {
  const folder = openFolder(path);
  if (folder === undefined) return;
  try {
    const here = `/proc/self/fd/${folder}`;
    const isChanged = fstatSync(folder).mtimeMs >= sinceMs - 1000;
    for (const entry of readdirSync(here, { withFileTypes: true })) {
      const inside = `${here}/${entry.name}`;
      if (entry.isDirectory()) handOver(inside, owner, sinceMs);
      if (isChanged) giveAway(inside, owner);
    }
  } finally {
    closeSync(folder);
  }
}

/** Undefined for what was removed while we looked, and for what is no folder any more. */
function openFolder(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if (["ENOENT", "ELOOP", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

function giveAway(path: string, { uid, gid }: { readonly uid: number; readonly gid: number }): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  // A file with two names may be somebody else's.
  const isOurs = found?.uid === 0 && (found.isDirectory() || found.nlink === 1);
  if (!isOurs) return;
  try {
    lchownSync(path, uid, gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
