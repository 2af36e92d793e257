import { posix } from "node:path";
import type { FileStats, FileTree } from "./file-tree.ts";

/** Another tree, and the directory in which the restored system will see it. */
export type TreeAt = { readonly point: string; readonly tree: FileTree };

/** A system's root with the trees that it mounts in itself, as /var of a Btrfs subvolume of its own. */
export class JoinedTree implements FileTree {
  readonly #trees: readonly TreeAt[];

  constructor(root: FileTree, inside: readonly TreeAt[]) {
    // The deepest goes first.
    const deepest = [...inside].sort((one, other) => other.point.length - one.point.length);
    this.#trees = [...deepest, { point: "/", tree: root }];
  }

  lstat(path: string): Promise<FileStats | undefined> {
    const { tree, at } = this.#at(path);
    return tree.lstat(at);
  }

  readLink(path: string): Promise<string | undefined> {
    const { tree, at } = this.#at(path);
    return tree.readLink(at);
  }

  read(path: string): Promise<Buffer> {
    const { tree, at } = this.#at(path);
    return tree.read(at);
  }

  list(path: string): Promise<string[]> {
    const { tree, at } = this.#at(path);
    return tree.list(at);
  }

  write(path: string, bytes: Uint8Array, mode: number): Promise<void> {
    const { tree, at } = this.#at(path);
    return tree.write(at, bytes, mode);
  }

  remove(path: string): Promise<void> {
    const { tree, at } = this.#at(path);
    return tree.remove(at);
  }

  removeTree(path: string): Promise<void> {
    const { tree, at } = this.#at(path);
    return tree.removeTree(at);
  }

  rename(from: string, to: string): Promise<void> {
    const { tree, at, target } = this.#both(from, to);
    return tree.rename(at, target);
  }

  copy(from: string, to: string): Promise<void> {
    const { tree, at, target } = this.#both(from, to);
    return tree.copy(at, target);
  }

  link(path: string, to: string): Promise<void> {
    const { tree, at } = this.#at(path);
    return tree.link(at, to);
  }

  isInvisible(path: string): Promise<boolean | undefined> {
    const { tree, at } = this.#at(path);
    return tree.isInvisible(at);
  }

  hide(path: string): Promise<void> {
    const { tree, at } = this.#at(path);
    return tree.hide(at);
  }

  #at(path: string): { readonly tree: FileTree; readonly at: string } {
    for (const { point, tree } of this.#trees) {
      if (point === "/" || path === point) return { tree, at: point === "/" ? path : "/" };
      if (path.startsWith(`${point}/`)) return { tree, at: path.slice(point.length) };
    }
    throw new TypeError(`${path} is no absolute path`);
  }

  #both(from: string, to: string) {
    const [{ tree, at }, other] = [this.#at(from), this.#at(to)];
    if (tree !== other.tree) throw new TypeError(`${from} and ${posix.dirname(to)} are on different volumes`);
    return { tree, at, target: other.at };
  }
}
