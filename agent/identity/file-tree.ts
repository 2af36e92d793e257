import type { Stats } from "node:fs";

/** What is at a path. */
export type FileStats = Pick<Stats, "isFile" | "isDirectory" | "isSymbolicLink" | "size" | "mtimeMs" | "dev">;

/**
 * The files of one volume by absolute paths in which no link is followed any
 * more: those of a mounted volume, of an HFS+ volume that is changed without
 * mounting it, or of either as it would be after changes that are only planned.
 *
 * Nothing is replaced by `rename`, `copy` and `link`; the caller has looked.
 */
export interface FileTree {
  lstat(path: string): Promise<FileStats | undefined>;
  /** Undefined when it is no link. */
  readLink(path: string): Promise<string | undefined>;
  /** A plain file of which the size is known to be small. */
  read(path: string): Promise<Buffer>;
  /** The names in a directory, in any order; none when it is not there. */
  list(path: string): Promise<string[]>;
  /** A file that is there keeps owner, mode, dates, attributes and its number; a new one belongs to root. */
  write(path: string, bytes: Uint8Array, mode: number): Promise<void>;
  /** A file or link itself. Nothing there is fine. */
  remove(path: string): Promise<void>;
  /** A directory with all in it, or a file. Nothing there is fine. */
  removeTree(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** A plain file with its owner, mode and dates. */
  copy(from: string, to: string): Promise<void>;
  /** A symbolic link that holds `to` as it is given. */
  link(path: string, to: string): Promise<void>;
  /** Whether the Finder shows it not; undefined where that cannot be known. */
  isInvisible(path: string): Promise<boolean | undefined>;
  /** @throws {TypeError} where `isInvisible` is not known */
  hide(path: string): Promise<void>;
}
