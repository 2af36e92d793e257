import { type FileHandle, open, readdir, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";

/** A regular file below the boot directory, with all symbolic links followed. */
export type BootFile = {
  /** Absolute, and inside the boot directory. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** Changes whenever the content may have changed. */
  readonly stamp: string;
};

/** A further folder that is served: what is asked below `prefix` ("NetBoot/lab.nbi") is looked for in `directory`. */
export type BootRoot = { readonly prefix: string; readonly directory: string };

/** Where boot files are looked for: in the first root whose prefix fits the name, otherwise in `directory`. */
export type BootPlaces = {
  readonly directory: string;
  /** Read for every request: its owner may change it while it is served. */
  readonly roots?: readonly BootRoot[] | undefined;
};

/** The same as `findBootFile`, in the folder that the name belongs to. */
export async function findBootFileIn(
  { directory, roots = [] }: BootPlaces,
  parts: readonly string[],
  options: { readonly ignoreCase?: boolean } = {},
): Promise<BootFile | undefined> {
  for (const root of roots) {
    const prefix = root.prefix.split("/").filter((part) => part !== "");
    if (!startsWith(parts, prefix, options.ignoreCase === true)) continue;
    const found = await findBootFile(root.directory, parts.slice(prefix.length), options);
    if (found !== undefined) return found;
  }
  return findBootFile(directory, parts, options);
}

/**
 * Finds a boot file. Symbolic links are followed as long as they stay inside `root`; anything else, and everything that
 * is not a regular file, is "not there".
 *
 * @param root the boot directory; it may not exist yet
 * @param parts the path below it; a part that is "", ".", ".." or has a separator in it finds nothing
 * @param options `ignoreCase`: when the exact name is missing, take one that differs only in case (8.3 names)
 */
export async function findBootFile(
  root: string,
  parts: readonly string[],
  options: { readonly ignoreCase?: boolean } = {},
): Promise<BootFile | undefined> {
  if (parts.length === 0 || !parts.every(isPlain)) return undefined;
  const home = await orMissing(realpath(root));
  if (home === undefined) return undefined;
  const exact = await checked(home, join(home, ...parts));
  if (exact !== undefined || options.ignoreCase !== true) return exact;
  const spelled = await spelledOnDisk(home, parts);
  return spelled === undefined ? undefined : checked(home, spelled);
}

/** Opens what `findBootFile` found. The caller closes it. Undefined: it went away meanwhile. */
export async function openBootFile(file: BootFile): Promise<FileHandle | undefined> {
  return orMissing(open(file.path, "r"));
}

function startsWith(parts: readonly string[], prefix: readonly string[], ignoreCase: boolean): boolean {
  const spelled = (part: string) => (ignoreCase ? part.toLowerCase() : part);
  return parts.length > prefix.length && prefix.every((part, at) => spelled(part) === spelled(parts[at]!));
}

function isPlain(part: string): boolean {
  return part !== "" && part !== "." && part !== ".." && !/[/\\\0]/.test(part);
}

async function checked(home: string, path: string): Promise<BootFile | undefined> {
  const real = await orMissing(realpath(path));
  if (real === undefined || !real.startsWith(home + sep)) return undefined;
  const facts = await orMissing(stat(real, { bigint: true }));
  // A FIFO or a device would hang or harm the reader.
  if (facts === undefined || !facts.isFile()) return undefined;
  return {
    path: real,
    sizeBytes: Number(facts.size),
    modifiedMs: Number(facts.mtimeMs),
    stamp: [facts.ino, facts.size, facts.mtimeNs].map((number) => number.toString(36)).join("-"),
  };
}

async function spelledOnDisk(home: string, parts: readonly string[]): Promise<string | undefined> {
  let path = home;
  for (const part of parts) {
    const names = (await orMissing(readdir(path))) ?? [];
    const wanted = part.toLowerCase();
    const name = names.includes(part) ? part : names.sort().find((candidate) => candidate.toLowerCase() === wanted);
    if (name === undefined) return undefined;
    path = join(path, name);
  }
  return path;
}

const missing = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EACCES"]);

async function orMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (missing.has((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
