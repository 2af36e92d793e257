import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { basename, dirname, join, posix } from "node:path";
import { Fault } from "../../fault.ts";
import { namesOf } from "./architecture.ts";
import { isElf, readElfLinks } from "./elf.ts";
import type { FileTree } from "./file-tree.ts";

/** Debian packages laid out in one folder, from which single files are taken. */
export class Unpacked {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /**
   * Reads a file by its path without "/" in front. Older packages say lib/x where newer ones say usr/lib/x:
   * both are tried. Links are followed inside the folder.
   */
  async read(path: string): Promise<Buffer | undefined> {
    for (const candidate of bothPlaces(path)) {
      const found = await this.#follow(candidate);
      if (found !== undefined) return readFile(join(this.#root, found));
    }
    return undefined;
  }

  /** What the link at `path` says, or undefined when there is no link. */
  async linkTarget(path: string): Promise<string | undefined> {
    for (const candidate of bothPlaces(path)) {
      const status = await lstat(join(this.#root, candidate)).catch(absent);
      if (status?.isSymbolicLink()) return readlink(join(this.#root, candidate));
    }
    return undefined;
  }

  /** Paths of all files below `folder`, relative to it, sorted. */
  async list(folder: string): Promise<string[]> {
    for (const candidate of bothPlaces(folder)) {
      const entries = await readdir(join(this.#root, candidate), { recursive: true, withFileTypes: true }).catch(
        absent,
      );
      if (entries === undefined) continue;
      const base = join(this.#root, candidate);
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(base.length + 1))
        .sort();
    }
    return [];
  }

  async #follow(path: string, depth = 0): Promise<string | undefined> {
    const status = await lstat(join(this.#root, path)).catch(absent);
    if (status === undefined || depth > 8) return undefined;
    if (!status.isSymbolicLink()) return status.isFile() ? path : undefined;
    const target = await readlink(join(this.#root, path));
    const next = target.startsWith("/") ? target.slice(1) : posix.join(dirname(path), target);
    for (const candidate of bothPlaces(next)) {
      const found = await this.#follow(candidate, depth + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

const programFolders = ["usr/bin", "usr/sbin", "usr/lib/klibc/bin"];
const libraryFolders = [
  ...Object.values(namesOf).map(({ triplet }) => `usr/lib/${triplet}`),
  ...["usr/lib64", "usr/lib"],
];

/**
 * Adds a program as usr/bin/<name>; a link to another program brings that one, too.
 *
 * @throws {Fault} BOOT_IMAGE_FILE_MISSING
 */
export async function addProgram(tree: FileTree, unpacked: Unpacked, name: string): Promise<void> {
  if (tree.has(`usr/bin/${name}`)) return;
  for (const folder of programFolders) {
    const link = await unpacked.linkTarget(`${folder}/${name}`);
    if (link !== undefined) {
      tree.addSymlink(`usr/bin/${name}`, basename(link));
      return addProgram(tree, unpacked, basename(link));
    }
    const content = await unpacked.read(`${folder}/${name}`);
    if (content === undefined) continue;
    tree.addFile(`usr/bin/${name}`, content, 0o755);
    return;
  }
  throw fileMissing(`the program ${name}`);
}

/**
 * Adds every library that the given programs are linked with, and theirs, as usr/lib/<name>.
 *
 * @param programs contents of ELF files; others (scripts) are skipped
 * @throws {Fault} BOOT_IMAGE_FILE_MISSING, ELF_INVALID
 */
export async function addLibraries(tree: FileTree, unpacked: Unpacked, programs: readonly Uint8Array[]): Promise<void> {
  const queue = programs.filter(isElf);
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const { interpreter, needed } = readElfLinks(next);
    for (const name of interpreter === undefined ? needed : [basename(interpreter), ...needed]) {
      if (tree.has(`usr/lib/${name}`)) continue;
      const content = await library(unpacked, name);
      if (content === undefined) throw fileMissing(`the library ${name}`);
      tree.addFile(`usr/lib/${name}`, content, 0o755);
      queue.push(content);
    }
  }
}

async function library(unpacked: Unpacked, name: string): Promise<Buffer | undefined> {
  for (const folder of libraryFolders) {
    const content = await unpacked.read(`${folder}/${name}`);
    if (content !== undefined) return content;
  }
  return undefined;
}

function bothPlaces(path: string): string[] {
  return path.startsWith("usr/") ? [path, path.slice(4)] : [`usr/${path}`, path];
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
  throw error;
}

function fileMissing(what: string): Fault {
  return new Fault("BOOT_IMAGE_FILE_MISSING", {
    what: `The boot image needs ${what}, and it is in none of the Debian packages that were fetched.`,
    why: "This release of Debian keeps it in another package than bootcast expects.",
    fix: "Build on Debian 12 or 13, or add its package to scripts/boot-image/recipe.ts.",
  });
}
