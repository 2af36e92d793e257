import type { CleanUpEntry } from "../../images/clean-up/step.ts";

/** One entry of a directory as debugfs lists it; names are bytes, each a character. */
export type ListedEntry = {
  readonly inode: number;
  /** With the bits of its type. */
  readonly mode: number;
  readonly name: string;
};

/** A directory's entries; of names with a line feed only that there are some. */
export type ListedFolder = { readonly entries: readonly ListedEntry[]; readonly hasUnlisted: boolean };

/** "/12/100644/0/0/name/4/" (debugfs(8), ls -p). A name cannot hold a slash. */
const line = /^\/(\d+)\/(\d+)\/\d+\/\d+\/([^/]*)\/\d*\/$/;

/** The commands that list directories. */
export function listCommands(inodes: readonly number[]): string {
  return inodes.map((inode) => `ls -p <${inode}>\n`).join("");
}

/** What debugfs said to `listCommands(inodes)`: one listing behind each command, which it repeats. */
export function parseListings(text: string, inodes: readonly number[]): ListedFolder[] {
  const folders: { entries: ListedEntry[]; hasUnlisted: boolean }[] = [];
  for (const said of text.split("\n")) {
    if (said === `debugfs: ls -p <${inodes[folders.length]}>`) {
      folders.push({ entries: [], hasUnlisted: false });
      continue;
    }
    const folder = folders.at(-1);
    if (folder === undefined || said.trim() === "") continue;
    const found = line.exec(said);
    if (found === null) {
      folder.hasUnlisted = true;
      continue;
    }
    const [, inode, mode, name] = found;
    if (name !== "." && name !== "..")
      folder.entries.push({ inode: Number(inode), mode: Number.parseInt(mode!, 8), name: name! });
  }
  return folders;
}

export function kindOfMode(mode: number): CleanUpEntry["kind"] {
  const type = mode & 0o170000;
  return type === 0o100000 ? "file" : type === 0o040000 ? "folder" : type === 0o120000 ? "link" : "other";
}

/** A path for debugfs: in quotes, and not to be taken for an inode's number. */
export function quoted(path: string): string {
  return `"/${path.replaceAll('"', '""')}"`;
}
