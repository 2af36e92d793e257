import type { Dirent, Stats } from "node:fs";
import { lstat, readdir, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import type { CleanUpChange, CleanUpEntry, CleanUpStep } from "../../images/clean-up/step.ts";

/** What the steps would change in a folder; nothing is changed. Links are never followed. */
export async function planCleanUp(root: string, steps: readonly CleanUpStep[]): Promise<CleanUpChange[]> {
  const changes: CleanUpChange[] = [];
  const waiting = [""];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for (const found of await readdir(join(root, folder), { withFileTypes: true })) {
      const path = folder === "" ? found.name : `${folder}/${found.name}`;
      const kind = kindOf(found);
      const change = decideCleanUp({ path, kind, isOnMac: false }, steps);
      if (change !== undefined) changes.push(change);
      else if (kind === "folder") waiting.push(path);
    }
  }
  return changes.sort((one, other) => (one.path < other.path ? -1 : 1));
}

/** Carries out what was planned, in a copy that nobody else writes to. */
export async function applyCleanUp(root: string, changes: readonly CleanUpChange[]): Promise<void> {
  for (const { path, action } of changes) {
    const at = join(root, path);
    if (action === "remove") await rm(at, { recursive: true });
    else if (action === "empty" && (await lstat(at)).isFile()) await truncate(at);
  }
}

/** The first step that wants something has it. */
export function decideCleanUp(entry: CleanUpEntry, steps: readonly CleanUpStep[]): CleanUpChange | undefined {
  for (const step of steps) {
    const action = step.on(entry);
    if (action !== undefined) return { step: step.name, path: entry.path, action };
  }
  return undefined;
}

export function kindOf(found: Dirent | Stats): CleanUpEntry["kind"] {
  if (found.isFile()) return "file";
  if (found.isDirectory()) return "folder";
  return found.isSymbolicLink() ? "link" : "other";
}
