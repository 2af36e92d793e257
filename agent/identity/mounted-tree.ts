import {
  chmod,
  chown,
  constants,
  copyFile,
  lstat,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  utimes,
} from "node:fs/promises";
import { join } from "node:path";
import type { FileStats, FileTree } from "./file-tree.ts";

/** The files of a volume that the kernel, or ntfs-3g, has mounted. */
export class MountedTree implements FileTree {
  readonly #root: string;

  /** @param root where the volume is mounted */
  constructor(root: string) {
    this.#root = root;
  }

  async lstat(path: string): Promise<FileStats | undefined> {
    return orUndefined(lstat(this.#real(path)));
  }

  async readLink(path: string): Promise<string | undefined> {
    return orUndefined(readlink(this.#real(path)));
  }

  async read(path: string): Promise<Buffer> {
    return readFile(this.#real(path));
  }

  async list(path: string): Promise<string[]> {
    return (await orUndefined(readdir(this.#real(path)))) ?? [];
  }

  /**
   * In place can be cut in two by a power failure. Then the order is not finished either: the host comes back,
   * finds the cells that differ from the image, and begins the naming again.
   */
  async write(path: string, bytes: Uint8Array, mode: number): Promise<void> {
    const target = this.#real(path);
    const before = await orUndefined(lstat(target));
    const handle = await open(target, before === undefined ? "wx" : "r+", mode);
    try {
      for (let at = 0; at < bytes.length; ) {
        at += (await handle.write(bytes, at, bytes.length - at, at)).bytesWritten;
      }
      await handle.truncate(bytes.length);
      if (before === undefined) await handle.chmod(mode);
      else await handle.utimes(before.atimeMs / 1000, before.mtimeMs / 1000);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async remove(path: string): Promise<void> {
    await orUndefined(rm(this.#real(path), { force: true }));
  }

  async removeTree(path: string): Promise<void> {
    await orUndefined(rm(this.#real(path), { force: true, recursive: true }));
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(this.#real(from), this.#real(to));
  }

  async copy(from: string, to: string): Promise<void> {
    const [source, target] = [this.#real(from), this.#real(to)];
    const stats = await lstat(source);
    await copyFile(source, target, constants.COPYFILE_EXCL);
    await chown(target, stats.uid, stats.gid);
    await chmod(target, stats.mode & 0o7777);
    await utimes(target, stats.atime, stats.mtime);
  }

  async link(path: string, to: string): Promise<void> {
    await symlink(to, this.#real(path));
  }

  /** The kernel shows Finder flags of files, and not those of links; a Mac's volume is never mounted for this. */
  async isInvisible(): Promise<boolean | undefined> {
    return undefined;
  }

  async hide(path: string): Promise<void> {
    throw new TypeError(`${path}: Finder flags are not set on a mounted volume`);
  }

  #real(inside: string): string {
    return join(this.#root, inside);
  }
}

/** ENOENT, ENOTDIR and "not a link" are answers; everything else is an error. */
async function orUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (["ENOENT", "ENOTDIR", "EINVAL"].includes(code)) return undefined;
    throw error;
  }
}
