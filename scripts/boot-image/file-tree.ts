import type { ArchiveEntry } from "./cpio.ts";

/** The files of one layer while it is put together. Directories above a path are made by themselves. */
export class FileTree {
  readonly #entries = new Map<string, ArchiveEntry>();

  addDirectory(path: string, permissions = 0o755): void {
    this.#addParents(path);
    this.#entries.set(path, { path, type: "directory", permissions });
  }

  addFile(path: string, content: Uint8Array | string, permissions = 0o644): void {
    this.#addParents(path);
    this.#entries.set(path, {
      path,
      type: "file",
      permissions,
      content: typeof content === "string" ? Buffer.from(content) : content,
    });
  }

  addSymlink(path: string, target: string): void {
    this.#addParents(path);
    this.#entries.set(path, { path, type: "symlink", target });
  }

  has(path: string): boolean {
    return this.#entries.has(path);
  }

  entries(): ArchiveEntry[] {
    return [...this.#entries.values()];
  }

  #addParents(path: string): void {
    const parent = path.slice(0, Math.max(path.lastIndexOf("/"), 0));
    if (parent !== "" && !this.#entries.has(parent)) this.addDirectory(parent);
  }
}
