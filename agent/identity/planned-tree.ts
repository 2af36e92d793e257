import { posix } from "node:path";
import type { FileStats, FileTree } from "./file-tree.ts";

/** What a path is to be, where it is not what it was. */
type Planned =
  | { readonly is: "gone" }
  /** Another path of the volume as it was; of a directory, with all below it. */
  | { readonly is: "moved"; readonly from: string }
  | { readonly is: "file"; readonly bytes: Uint8Array; readonly mtimeMs: number }
  | { readonly is: "link"; readonly to: string };

/**
 * A volume as it would be after changes that are only planned. It reads from the
 * volume and never writes to it, so that each module plans over what those
 * before it planned, and a plan is exactly what will be done.
 */
export class PlannedTree implements FileTree {
  readonly #tree: FileTree;
  readonly #planned = new Map<string, Planned>();
  readonly #hidden = new Set<string>();

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  async lstat(path: string): Promise<FileStats | undefined> {
    const place = this.#place(path);
    if (place === undefined) return undefined;
    if (typeof place === "string") return this.#tree.lstat(place);
    const dev = (await this.#tree.lstat("/"))?.dev ?? 0;
    return {
      isFile: () => place.is === "file",
      isDirectory: () => false,
      isSymbolicLink: () => place.is === "link",
      size: place.is === "file" ? place.bytes.length : Buffer.byteLength(place.to),
      mtimeMs: place.is === "file" ? place.mtimeMs : 0,
      dev,
    };
  }

  async readLink(path: string): Promise<string | undefined> {
    const place = this.#place(path);
    if (typeof place === "string") return this.#tree.readLink(place);
    return place?.is === "link" ? place.to : undefined;
  }

  async read(path: string): Promise<Buffer> {
    const place = this.#place(path);
    if (typeof place === "string") return this.#tree.read(place);
    if (place?.is === "file") return Buffer.from(place.bytes);
    throw Object.assign(new Error(`ENOENT: ${path} is planned to be away`), { code: "ENOENT" });
  }

  async list(path: string): Promise<string[]> {
    const place = this.#place(path);
    if (typeof place !== "string") return [];
    const names = new Set(await this.#tree.list(place));
    for (const [planned, { is }] of this.#planned) {
      if (posix.dirname(planned) !== path || planned === "/") continue;
      if (is === "gone") names.delete(posix.basename(planned));
      else names.add(posix.basename(planned));
    }
    return [...names];
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    const mtimeMs = (await this.lstat(path))?.mtimeMs ?? 0;
    this.#planned.set(path, { is: "file", bytes, mtimeMs });
  }

  async remove(path: string): Promise<void> {
    this.#forgetBelow(path);
    this.#planned.set(path, { is: "gone" });
  }

  async removeTree(path: string): Promise<void> {
    await this.remove(path);
  }

  async rename(from: string, to: string): Promise<void> {
    const place = this.#place(from);
    const below = [...this.#planned].filter(([path]) => path.startsWith(`${from}/`));
    await this.remove(from);
    if (place !== undefined) this.#planned.set(to, typeof place === "string" ? { is: "moved", from: place } : place);
    for (const [path, planned] of below) this.#planned.set(`${to}${path.slice(from.length)}`, planned);
    if (this.#hidden.delete(from)) this.#hidden.add(to);
  }

  async copy(from: string, to: string): Promise<void> {
    const place = this.#place(from);
    if (place !== undefined) this.#planned.set(to, typeof place === "string" ? { is: "moved", from: place } : place);
  }

  async link(path: string, to: string): Promise<void> {
    this.#planned.set(path, { is: "link", to });
  }

  async isInvisible(path: string): Promise<boolean | undefined> {
    if (this.#hidden.has(path)) return true;
    const place = this.#place(path);
    return typeof place === "string" ? this.#tree.isInvisible(place) : false;
  }

  async hide(path: string): Promise<void> {
    this.#hidden.add(path);
  }

  /** Where on the volume a path is found, or what is planned there; undefined for nothing. */
  #place(path: string): string | Extract<Planned, { is: "file" | "link" }> | undefined {
    for (let at = path; ; at = posix.dirname(at)) {
      const planned = this.#planned.get(at);
      if (planned === undefined) {
        if (at === "/" || at === ".") return path;
        continue;
      }
      if (planned.is === "gone") return undefined;
      if (planned.is === "moved") return `${planned.from}${path.slice(at.length)}`;
      return at === path ? planned : undefined;
    }
  }

  #forgetBelow(path: string): void {
    for (const planned of [...this.#planned.keys()]) if (planned.startsWith(`${path}/`)) this.#planned.delete(planned);
  }
}
