import assert from "node:assert/strict";
import { constants, type FileHandle } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { Fault } from "../../fault.ts";
import type { BlockTarget } from "../../images/block.ts";
import { type DiskLayout, diskFault, placeOnDisk } from "./fault.ts";
import { openDisk } from "./handle.ts";
import { DiskReads } from "./reads.ts";
import { DiskWrites } from "./writes.ts";

const SECTOR_BYTES = 512;
const CLOSE_WITHIN_MS = 60_000;

type Opened = { readonly handle: FileHandle; readonly reads: DiskReads; readonly writes: DiskWrites };

/**
 * The local disk as something to write an image to.
 *
 * It is made closed, and `open` is the one place in the agent that opens a disk
 * for writing: the caller has an order and a passed preflight in hand by then.
 * Writing to a closed one is a broken invariant of ours and stops the process.
 *
 * What is written goes past the kernel's memory, a few MiB behind the caller: a slow disk is felt at once, and takes no
 * memory.
 */
export class DiskTarget implements BlockTarget {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #layout: DiskLayout;
  #opened: Opened | undefined;

  /** @param layout of what is written, to name places that fail */
  constructor(
    disk: { readonly path: string; readonly sizeBytes: number; readonly sectorBytes?: number },
    layout: Pick<DiskLayout, "partitions"> = {},
  ) {
    this.path = disk.path;
    this.sizeBytes = disk.sizeBytes;
    this.#layout = { ...layout, sectorBytes: disk.sectorBytes ?? SECTOR_BYTES };
  }

  /** Opens the device alone (O_EXCL): the kernel refuses that while anything of it is mounted or held. */
  async open(): Promise<void> {
    assert(this.#opened === undefined, `${this.path} is open already`);
    const { path, sizeBytes } = this;
    const { sectorBytes } = this.#layout;
    try {
      const opened = await openDisk({ path, sizeBytes, sectorBytes }, constants.O_RDWR | constants.O_EXCL);
      const faultAt = (act: "write to" | "flush", offset: number | undefined, error: unknown) =>
        diskFault(act, path, offset === undefined ? "" : placeOnDisk(offset, this.#layout), error);
      this.#opened = {
        handle: opened.handle,
        reads: new DiskReads({ ...opened, path, layout: this.#layout }),
        writes: new DiskWrites({ ...opened, sectorBytes, faultAt }),
      };
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

  /** Reads back through the same handle what was written: for samples while it is open. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const { reads, writes } = this.#use();
    await writes.settle();
    const bytes = new Uint8Array(length);
    await reads.into(offset, bytes);
    return bytes;
  }

  /** Resolves when `bytes` may be used again; what fails is thrown by a later call, by `flush` at the latest. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    assert(offset >= 0 && offset + bytes.length <= this.sizeBytes, `${this.path}: a write outside the disk`);
    await this.#use().writes.write(offset, bytes);
  }

  async flush(): Promise<void> {
    await this.#use().writes.flush();
  }

  /** Flushes and closes; closing twice is fine. */
  async close(): Promise<void> {
    const opened = this.#opened;
    if (opened === undefined) return;
    try {
      await opened.writes.flush();
    } finally {
      this.#opened = undefined;
      // Writes that the kernel never ends hold all the threads that it would be closed by.
      await Promise.race([opened.handle.close(), delay(CLOSE_WITHIN_MS, undefined, { ref: false })]);
    }
  }

  #use(): Opened {
    assert(this.#opened !== undefined, `${this.path} was not opened: nobody ordered to write to it`);
    return this.#opened;
  }
}

/** Fills `bytes` from `offset`; a device that ends early is a fault. */
export async function readFully(handle: FileHandle, bytes: Uint8Array, offset: number, path: string): Promise<void> {
  const layout = { sectorBytes: SECTOR_BYTES };
  await new DiskReads({ handle, isDirect: false, path, layout }).into(offset, bytes);
}
