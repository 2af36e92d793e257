import assert from "node:assert/strict";
import { constants, type FileHandle, open } from "node:fs/promises";
import { Fault } from "../fault.ts";
import type { BlockTarget } from "../images/block.ts";

/** So much may be written and not yet be on the disk: more only hides a slow disk in memory. */
const MOST_UNFLUSHED_BYTES = 64 * 1024 * 1024;

/**
 * The local disk as something to write an image to.
 *
 * It is made closed, and `open` is the one place in the agent that opens a disk
 * for writing: the caller has an order and a passed preflight in hand by then.
 * Writing to a closed one is a broken invariant of ours and stops the process.
 */
export class DiskTarget implements BlockTarget {
  readonly path: string;
  readonly sizeBytes: number;
  #handle: FileHandle | undefined;
  #unflushedBytes = 0;
  #flushing: Promise<void> | undefined;

  constructor(disk: { path: string; sizeBytes: number }) {
    this.path = disk.path;
    this.sizeBytes = disk.sizeBytes;
  }

  /** Opens the device alone (O_EXCL): the kernel refuses that while anything of it is mounted or held. */
  async open(): Promise<void> {
    assert(this.#handle === undefined, `${this.path} is open already`);
    try {
      this.#handle = await open(this.path, constants.O_RDWR | constants.O_EXCL);
    } catch (error) {
      const isBusy = (error as NodeJS.ErrnoException).code === "EBUSY";
      throw new Fault(
        "DISK_BUSY",
        {
          what: `${this.path} cannot be opened for writing.`,
          why: isBusy ? "The kernel says that something uses it." : (error as Error).message,
          fix: "Restart the machine; if it repeats, look at the kernel's messages.",
        },
        error,
      );
    }
  }

  /** Reads back through the same handle: for samples while it is open. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.alloc(length);
    await readFully(this.#opened(), bytes, offset, this.path);
    return bytes;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    assert(offset >= 0 && offset + bytes.length <= this.sizeBytes, `${this.path}: a write outside the disk`);
    const handle = this.#opened();
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await handle
        .write(bytes, done, bytes.length - done, offset + done)
        .catch((error: unknown) => Promise.reject(diskFault("DISK_WRITE", "write to", this.path, offset, error)));
      if (bytesWritten === 0) throw diskFault("DISK_WRITE", "write to", this.path, offset, new Error("no progress"));
      done += bytesWritten;
    }
    this.#unflushedBytes += bytes.length;
    // Writers wait here for the disk, so the kernel's cache stays small and progress means progress.
    if (this.#unflushedBytes >= MOST_UNFLUSHED_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    // Several writers may come here at once: one fdatasync serves them, but only for what was written before it began.
    while (this.#flushing !== undefined) await this.#flushing;
    this.#unflushedBytes = 0;
    const flushing = this.#opened()
      .datasync()
      .catch((error: unknown) => Promise.reject(diskFault("DISK_WRITE", "flush", this.path, 0, error)))
      .finally(() => {
        this.#flushing = undefined;
      });
    this.#flushing = flushing.catch(() => undefined);
    await flushing;
  }

  /** Flushes and closes; closing twice is fine. */
  async close(): Promise<void> {
    if (this.#handle === undefined) return;
    try {
      await this.flush();
    } finally {
      const handle = this.#handle;
      this.#handle = undefined;
      await handle.close();
    }
  }

  #opened(): FileHandle {
    assert(this.#handle !== undefined, `${this.path} was not opened: nobody ordered to write to it`);
    return this.#handle;
  }
}

/** Fills `bytes` from `offset`; a device that ends early is a fault. */
export async function readFully(handle: FileHandle, bytes: Buffer, offset: number, path: string): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle
      .read(bytes, done, bytes.length - done, offset + done)
      .catch((error: unknown) => Promise.reject(diskFault("DISK_READ", "read", path, offset, error)));
    if (bytesRead === 0) throw diskFault("DISK_READ", "read", path, offset + done, new Error("the device ends here"));
    done += bytesRead;
  }
}

function diskFault(code: string, verb: string, path: string, offset: number, cause: unknown): Fault {
  return new Fault(
    code,
    {
      what: `Could not ${verb} ${path} at byte ${offset}.`,
      why: cause instanceof Error ? cause.message : String(cause),
      fix: "Check the disk and its cable (smartctl -a); a disk that fails here must be replaced.",
    },
    cause,
  );
}
