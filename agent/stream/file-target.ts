import assert from "node:assert/strict";
import { constants, type FileHandle, open } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import type { BlockSource, BlockTarget } from "../../images/block.ts";
import { readFully } from "../disk-target.ts";

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
   */
  async create(onBegin?: () => void): Promise<void> {
    assert(this.#handle === undefined, `${this.path} is open already`);
    const handle = await open(this.path, constants.O_RDWR | constants.O_CREAT, 0o644);
    // Whatever took the name since it was looked at: only a file is emptied.
    if (!(await handle.stat()).isFile()) {
      await handle.close();
      throw new Fault("TARGET_KIND", {
        what: `${this.path} is no plain file any more. Nothing was erased.`,
        why: "Something else took its name while the restore was prepared.",
        fix: "Look at what is there, and start again.",
      });
    }
    this.#handle = handle;
    onBegin?.();
    await handle.truncate(0);
    await handle.truncate(this.sizeBytes);
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
