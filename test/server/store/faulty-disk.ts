import { existsSync, linkSync, renameSync, rmSync, truncateSync } from "node:fs";
import { dirname, join } from "node:path";
import { realDisk, type StoreDisk } from "../../../server/store/disk.ts";

/** What happens at the chosen step. */
export type Failure =
  /** The step fails once, half done; all else works. */
  | { readonly kind: "error"; readonly code: "EIO" | "ENOSPC" }
  /** Nothing works from this step on, and what was not synced may be lost: see `cutPower`. */
  | { readonly kind: "power cut" };

/** A store's disk that fails at one step, counted from 1, and remembers what a power cut would undo. */
export class FaultyDisk implements StoreDisk {
  readonly #failAt: number;
  readonly #failure: Failure;
  readonly #backups: string;
  readonly #undo: { readonly directory: string; readonly undo: () => void }[] = [];
  readonly #unsyncedFiles = new Set<string>();
  #steps = 0;
  #isDead = false;
  /** What the failing step was, once it has failed. */
  failed: string | undefined;

  /** @param backups an empty directory on the same file system */
  constructor(failAt: number, failure: Failure, backups: string) {
    this.#failAt = failAt;
    this.#failure = failure;
    this.#backups = backups;
  }

  /** Loses all that was not synced: contents of files, and names in directories. */
  cutPower(): void {
    for (const path of this.#unsyncedFiles) if (existsSync(path)) truncateSync(path);
    for (const { undo } of this.#undo.reverse()) undo();
  }

  async makeDirectory(path: string): Promise<string | undefined> {
    if (existsSync(path)) return undefined;
    this.#step(`make ${path}`);
    const first = await realDisk.makeDirectory(path);
    if (first !== undefined) {
      for (let made = path; made.length >= first.length; made = dirname(made)) {
        const lost = made;
        this.#pending(dirname(lost), () => rmSync(lost, { recursive: true, force: true }));
      }
    }
    return first;
  }

  async create(path: string) {
    this.#step(`create ${path}`);
    const file = await realDisk.create(path);
    this.#unsyncedFiles.add(path);
    this.#pending(dirname(path), () => rmSync(path, { force: true }));
    return {
      write: async (bytes: Uint8Array) => {
        try {
          this.#step(`write ${path}`);
        } catch (error) {
          await file.write(bytes.subarray(0, bytes.length / 2));
          throw error;
        }
        await file.write(bytes);
      },
      sync: async () => {
        this.#step(`sync ${path}`);
        await file.sync();
        this.#unsyncedFiles.delete(path);
      },
      close: () => file.close(),
    };
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step(`rename to ${to}`);
    const before = this.#backup(to);
    await realDisk.rename(from, to);
    this.#carry(from, to);
    this.#pending(dirname(to), () => {
      renameSync(to, from);
      if (before !== undefined) linkSync(before, to);
    });
  }

  async link(from: string, to: string): Promise<void> {
    this.#step(`link to ${to}`);
    await realDisk.link(from, to);
    if (this.#unsyncedFiles.has(from)) this.#unsyncedFiles.add(to);
    this.#pending(dirname(to), () => rmSync(to, { force: true }));
  }

  async unlink(path: string): Promise<void> {
    if (!existsSync(path)) return realDisk.unlink(path);
    this.#step(`unlink ${path}`);
    const before = this.#backup(path)!;
    await realDisk.unlink(path);
    this.#pending(dirname(path), () => linkSync(before, path));
  }

  async touch(path: string, atMs: number): Promise<void> {
    this.#step(`touch ${path}`);
    await realDisk.touch(path, atMs);
  }

  async syncDirectory(path: string): Promise<void> {
    this.#step(`sync ${path}`);
    await realDisk.syncDirectory(path);
    for (let at = this.#undo.length - 1; at >= 0; at -= 1)
      if (this.#undo[at]!.directory === path) this.#undo.splice(at, 1);
  }

  #step(what: string): void {
    if (this.#isDead) throw new Error("the power is off");
    this.#steps += 1;
    if (this.#steps !== this.#failAt) return;
    this.failed = what;
    if (this.#failure.kind === "power cut") {
      this.#isDead = true;
      throw new Error("the power is off");
    }
    throw Object.assign(new Error(`${this.#failure.code}: ${what}`), { code: this.#failure.code });
  }

  #pending(directory: string, undo: () => void): void {
    this.#undo.push({ directory, undo });
  }

  #carry(from: string, to: string): void {
    if (this.#unsyncedFiles.delete(from)) this.#unsyncedFiles.add(to);
  }

  #backup(path: string): string | undefined {
    if (!existsSync(path)) return undefined;
    const copy = join(this.#backups, String(this.#steps));
    linkSync(path, copy);
    return copy;
  }
}
