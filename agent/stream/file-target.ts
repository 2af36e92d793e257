import assert from "node:assert/strict";
import { constants, type FileHandle, open } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import type { BlockSource, BlockTarget } from "../../images/block.ts";
import { readFully } from "../disk/target.ts";

/** What was at a path when it was looked at: a file, or nothing. */
export type LookedAt = { readonly found: { readonly dev: number; readonly ino: number } | undefined };

/**
 * A raw image file to restore into. It is made closed; `create` empties or
 * makes the file, so nothing happens to an existing one before somebody orders it.
 */
export class FileTarget implements BlockTarget, BlockSource {
  readonly path: string;
  readonly sizeBytes: number;
  #handle: FileHandle | undefined;

  constructor(path: string, sizeBytes: number) {
    this.path = path;
    this.sizeBytes = sizeBytes;
  }

  /**
   * Makes the file anew: sparse, so it reads as zero and takes no room yet.
   *
   * @param onBegin called when it is open, before its content is lost
   * @throws {Fault} TARGET_CHANGED when it is not what was looked at: nobody ordered to erase that
   */
  async create(lookedAt: LookedAt, onBegin?: () => void): Promise<void> {
    const handle = await this.#openSame(lookedAt, onBegin);
    await handle.truncate(0);
    await handle.truncate(this.sizeBytes);
  }

  /**
   * Opens the file as it is, and gives it the size: what it lacks reads as zero.
   *
   * @param onBegin called when it is open, before anything of it changes
   * @throws {Fault} TARGET_CHANGED when it is not what was looked at
   */
  async keep(lookedAt: LookedAt, onBegin?: () => void): Promise<void> {
    const handle = await this.#openSame(lookedAt, onBegin);
    await handle.truncate(this.sizeBytes);
  }

  async #openSame(lookedAt: LookedAt, onBegin?: () => void): Promise<FileHandle> {
    assert(this.#handle === undefined, `${this.path} is open already`);
    const flags = lookedAt.found === undefined ? constants.O_CREAT | constants.O_EXCL : 0;
    const handle = await open(this.path, constants.O_RDWR | flags, 0o644).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") throw changed(this.path, "it was made", error);
      throw error.code === "ENOENT" && flags === 0 ? changed(this.path, "it was removed", error) : error;
    });
    const opened = await handle.stat();
    const { dev, ino } = lookedAt.found ?? opened;
    // Whatever took the name since it was looked at: only that file is emptied.
    if (!opened.isFile() || opened.dev !== dev || opened.ino !== ino) {
      await handle.close();
      throw changed(this.path, opened.isFile() ? "it is another file" : "it is no plain file");
    }
    this.#handle = handle;
    onBegin?.();
    return handle;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    assert(offset >= 0 && offset + bytes.length <= this.sizeBytes, `${this.path}: a write outside the file`);
    for (let done = 0; done < bytes.length; ) {
      done += (await this.#opened().write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(length);
    await readFully(this.#opened(), bytes, offset, this.path);
    return bytes;
  }

  async flush(): Promise<void> {
    await this.#opened().datasync();
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  #opened(): FileHandle {
    assert(this.#handle !== undefined, `${this.path} was not created: nobody ordered to write to it`);
    return this.#handle;
  }
}

function changed(path: string, what: string, cause?: unknown): Fault {
  return new Fault(
    "TARGET_CHANGED",
    {
      what: `${path} cannot be restored to. Nothing was erased.`,
      why: `Since it was looked at: ${what}.`,
      fix: "Look at what is there, and start again.",
    },
    cause,
  );
}
