import { posix } from "node:path";
import { Fault } from "../../fault.ts";
import type { FileStats, FileTree } from "./file-tree.ts";
import { MountedTree } from "./mounted-tree.ts";

const MOST_LINKS = 40;
const MOST_TEXT_BYTES = 1024 * 1024;
/** A registry hive of Windows is the largest file that is read whole: SYSTEM has 10 to 30 MiB. */
const MOST_BYTES = 256 * 1024 * 1024;

/**
 * The files of a volume of the restored disk. Paths are absolute inside the
 * volume. Symbolic links are followed as the restored system itself would
 * follow them: "/etc/hostname -> /run/x" stays inside the volume and never
 * reaches the agent's own /run.
 */
export class VolumeFiles {
  readonly #tree: FileTree;

  /** @param tree the volume; as text, where it is mounted */
  constructor(tree: FileTree | string) {
    this.#tree = typeof tree === "string" ? new MountedTree(tree) : tree;
  }

  /** What is at `path`, links followed; undefined when there is nothing. */
  async stat(path: string): Promise<FileStats | undefined> {
    return this.#tree.lstat(await this.resolve(path));
  }

  /** What is at `path` itself, its last link not followed. */
  async lstat(path: string): Promise<FileStats | undefined> {
    return this.#tree.lstat(await this.#resolveParent(path));
  }

  async exists(path: string): Promise<boolean> {
    return (await this.stat(path)) !== undefined;
  }

  /** A small text file; undefined when there is none (or no plain file) at `path`. */
  async readText(path: string): Promise<string | undefined> {
    const bytes = await this.#readFile(path, MOST_TEXT_BYTES, "The agent reads and changes small text files only.");
    return bytes?.toString("utf8");
  }

  /** A file's bytes; undefined when there is none (or no plain file) at `path`. @throws {Fault} FILE_TOO_LARGE */
  async readBytes(path: string): Promise<Buffer | undefined> {
    return this.#readFile(path, MOST_BYTES, "The agent reads such a file whole, and memory is small.");
  }

  async #readFile(path: string, mostBytes: number, why: string): Promise<Buffer | undefined> {
    const inside = await this.resolve(path);
    const stats = await this.#tree.lstat(inside);
    if (stats === undefined || !stats.isFile()) return undefined;
    if (stats.size > mostBytes) {
      throw new Fault("FILE_TOO_LARGE", {
        what: `${path} of the restored system has ${stats.size} bytes.`,
        why,
        fix: "Check the image: this file should be much smaller.",
      });
    }
    return this.#tree.read(inside);
  }

  /** The names in a directory, sorted; none when it is not there. */
  async list(path: string): Promise<string[]> {
    return (await this.#tree.list(await this.resolve(path))).sort();
  }

  /**
   * The path under which a file is found whose name may be written in another case, as on Windows; undefined when
   * there is none. An exact match goes first.
   */
  async find(path: string): Promise<string | undefined> {
    let found = "/";
    for (const name of posix.normalize(`/${path}`).split("/").filter(isName)) {
      const names = await this.list(found);
      const match = names.includes(name) ? name : names.find((other) => other.toLowerCase() === name.toLowerCase());
      if (match === undefined) return undefined;
      found = posix.join(found, match);
    }
    return found;
  }

  /**
   * Writes a file. One that is there is changed in place and keeps its owner, mode, dates, extended attributes and
   * its number in the file system; a new one belongs to root.
   *
   * @param mode of a new file
   */
  async write(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    await this.#tree.write(await this.resolve(path), bytes, mode);
  }

  /** Removes a file or link itself. Nothing there is fine. */
  async remove(path: string): Promise<void> {
    await this.#tree.remove(await this.#resolveParent(path));
  }

  /** Removes a directory with all that is in it; links in it are removed and not followed. Nothing there is fine. */
  async removeTree(path: string): Promise<void> {
    await this.#tree.removeTree(await this.#resolveParent(path));
  }

  /** Renames inside one directory or between two; refuses to replace anything. */
  async rename(from: string, to: string): Promise<void> {
    const target = await this.#resolveParent(to);
    await this.#refuseExisting(target, to);
    await this.#tree.rename(await this.#resolveParent(from), target);
  }

  /** Copies a file with its owner, mode and dates; refuses to replace anything. */
  async copy(from: string, to: string): Promise<void> {
    const source = await this.#resolveParent(from);
    const target = await this.#resolveParent(to);
    await this.#refuseExisting(target, to);
    // The system's copy would follow a link out of the volume.
    if ((await this.#tree.lstat(source))?.isFile() !== true) {
      throw new Fault("FILE_KIND", {
        what: `${from} of the restored system is not copied.`,
        why: "It is no plain file.",
        fix: "Look at it in the image.",
      });
    }
    await this.#tree.copy(source, target);
  }

  /** Makes a symbolic link; `to` is written as given. */
  async link(path: string, to: string): Promise<void> {
    await this.#tree.link(await this.#resolveParent(path), to);
  }

  /** Whether the Finder of a Mac shows it not, its last link not followed; undefined where that cannot be known. */
  async isInvisible(path: string): Promise<boolean | undefined> {
    return this.#tree.isInvisible(await this.#resolveParent(path));
  }

  async hide(path: string): Promise<void> {
    await this.#tree.hide(await this.#resolveParent(path));
  }

  /**
   * The path that `path` really is inside the volume, every link followed.
   *
   * @throws {Fault} LINK_LOOP
   */
  async resolve(path: string): Promise<string> {
    let waiting = posix.normalize(`/${path}`).split("/").filter(isName);
    let done: string[] = [];
    let links = 0;
    while (waiting.length > 0) {
      const [name = "", ...rest] = waiting;
      waiting = rest;
      if (name === "..") {
        done.pop();
        continue;
      }
      const here = [...done, name];
      const target = await this.#tree.readLink(`/${here.join("/")}`);
      if (target === undefined) {
        done = here;
        continue;
      }
      links += 1;
      if (links > MOST_LINKS) {
        throw new Fault("LINK_LOOP", {
          what: `${path} of the restored system leads in circles.`,
          why: `More than ${MOST_LINKS} symbolic links had to be followed.`,
          fix: "Check the image: its own programs cannot open this path either.",
        });
      }
      if (target.startsWith("/")) done = [];
      waiting = [...target.split("/").filter(isName), ...waiting];
    }
    return `/${done.join("/")}`;
  }

  async #resolveParent(path: string): Promise<string> {
    const plain = posix.normalize(`/${path}`);
    return posix.join(await this.resolve(posix.dirname(plain)), posix.basename(plain));
  }

  async #refuseExisting(target: string, shown: string): Promise<void> {
    if ((await this.#tree.lstat(target)) === undefined) return;
    throw new Fault("FILE_EXISTS", {
      what: `${shown} of the restored system exists already.`,
      why: "The agent never replaces a file that it was not told to replace.",
      fix: "Look at both files and remove one of them in the image.",
    });
  }
}

function isName(part: string): boolean {
  return part !== "" && part !== ".";
}
