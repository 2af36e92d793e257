import { link, mkdir, open, rename, unlink, utimes } from "node:fs/promises";

/** A file that is being made. */
export type NewFile = {
  write(bytes: Uint8Array): Promise<void>;
  /** What was written survives a power cut, not yet the file's name. */
  sync(): Promise<void>;
  close(): Promise<void>;
};

/**
 * All by which the image store changes its disk. Tests give another one, in which
 * each step can fail, or the power go out behind it. Reading goes past it.
 */
export type StoreDisk = {
  /** Makes a directory and those above it. Returns the first that was missing. */
  makeDirectory(path: string): Promise<string | undefined>;
  /** Makes a file that is not there yet. */
  create(path: string): Promise<NewFile>;
  rename(from: string, to: string): Promise<void>;
  link(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Sets when a file was last used. */
  touch(path: string, atMs: number): Promise<void>;
  /** Makes the names in a directory survive a power cut. */
  syncDirectory(path: string): Promise<void>;
};

/** The disk itself. */
export const realDisk: StoreDisk = {
  makeDirectory: (path) => mkdir(path, { recursive: true }),
  async create(path) {
    const file = await open(path, "wx", 0o644);
    return {
      write: (bytes) => file.writeFile(bytes),
      sync: () => file.datasync(),
      close: () => file.close(),
    };
  },
  rename,
  link,
  unlink,
  touch: (path, atMs) => utimes(path, atMs / 1000, atMs / 1000),
  async syncDirectory(path) {
    const directory = await open(path, "r");
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
};

/** The same disk, where a step for which there is no room fails with what `full` makes of it. */
export function tellingFull(disk: StoreDisk, full: (cause: unknown) => Error): StoreDisk {
  const tell = (error: unknown): never => {
    const { code } = error as NodeJS.ErrnoException;
    throw code === "ENOSPC" || code === "EDQUOT" ? full(error) : error;
  };
  return {
    makeDirectory: (path) => disk.makeDirectory(path).catch(tell),
    async create(path) {
      const file = await disk.create(path).catch(tell);
      return {
        write: (bytes) => file.write(bytes).catch(tell),
        sync: () => file.sync().catch(tell),
        close: () => file.close().catch(tell),
      };
    },
    rename: (from, to) => disk.rename(from, to).catch(tell),
    link: (from, to) => disk.link(from, to).catch(tell),
    unlink: (path) => disk.unlink(path).catch(tell),
    touch: (path, atMs) => disk.touch(path, atMs).catch(tell),
    syncDirectory: (path) => disk.syncDirectory(path).catch(tell),
  };
}
