import type { CleanUpChange, CleanUpStep } from "../../images/clean-up/step.ts";
import { kindOfMode, type ListedFolder, quoted } from "./clean-ext-list.ts";
import { decideCleanUp } from "./create-clean-up.ts";

const ROOT_INODE = 2;

export type ExtPlan = {
  readonly changes: readonly CleanUpChange[];
  /** For debugfs, in their order; each a line. */
  readonly commands: readonly string[];
  /** Paths that are removed only in part: what is in them has a name that debugfs cannot be told. */
  readonly kept: readonly string[];
  /** Every directory that stays, by its path. */
  readonly folders: ReadonlySet<string>;
  /** Entries of log folders, to know what is there already. */
  readonly isThere: (path: string) => boolean;
};

/**
 * Decides what becomes of everything in an ext volume.
 *
 * @param list lists directories by their inodes
 */
export async function planExt(
  steps: readonly CleanUpStep[],
  list: (inodes: readonly number[]) => Promise<readonly ListedFolder[]>,
): Promise<ExtPlan> {
  const changes: CleanUpChange[] = [];
  const commands: string[] = [];
  const removedFolders: string[] = [];
  const kept: string[] = [];
  const folders = new Set<string>([""]);
  const files = new Set<string>();
  let level = [{ inode: ROOT_INODE, path: "", isRemoved: false }];
  while (level.length > 0) {
    const listed = await list(level.map(({ inode }) => inode));
    const next: typeof level = [];
    for (const [at, { path: folder, isRemoved }] of level.entries()) {
      const found = listed[at];
      if (isRemoved && found?.hasUnlisted === true) kept.push(folder);
      for (const { inode, mode, name } of found?.entries ?? []) {
        const path = folder === "" ? name : `${folder}/${name}`;
        const kind = kindOfMode(mode);
        const change = isRemoved ? undefined : decideCleanUp({ path, kind, isOnMac: false }, steps);
        if (change !== undefined) changes.push(change);
        const goes = isRemoved || change?.action === "remove";
        if (kind === "folder") {
          next.push({ inode, path, isRemoved: goes });
          if (goes) removedFolders.push(path);
          else folders.add(path);
        } else if (goes) commands.push(`rm ${quoted(path)}`);
        else {
          files.add(path);
          if (change?.action === "empty")
            commands.push(`punch ${quoted(path)} 0`, `set_inode_field ${quoted(path)} size 0`);
        }
      }
    }
    level = next;
  }
  // Those that lie deepest were found last, and go first.
  for (const path of removedFolders.reverse())
    if (!kept.some((one) => one === path || one.startsWith(`${path}/`))) commands.push(`rmdir ${quoted(path)}`);
  changes.sort((one, other) => (one.path < other.path ? -1 : 1));
  return { changes, commands, kept, folders, isThere: (path) => files.has(path) || folders.has(path) };
}
