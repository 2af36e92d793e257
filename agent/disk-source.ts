import { constants, type FileHandle, open } from "node:fs/promises";
import type { BlockSource } from "../images/block.ts";
import { readFully } from "./disk-target.ts";
import type { Tools } from "./tools.ts";

/** The local disk as something to read back. */
export class DiskSource implements BlockSource {
  readonly sizeBytes: number;
  readonly #path: string;
  readonly #handle: FileHandle;

  private constructor(path: string, sizeBytes: number, handle: FileHandle) {
    this.#path = path;
    this.sizeBytes = sizeBytes;
    this.#handle = handle;
  }

  /**
   * Opens the disk for reading, after the kernel was told to forget what it has
   * of it in memory: reading back the cache would verify the memory, not the disk.
   */
  static async open(disk: { path: string; sizeBytes: number }, tools: Tools): Promise<DiskSource> {
    await tools.run("blockdev", ["--flushbufs", disk.path], { timeoutMs: 120_000 });
    const handle = await open(disk.path, constants.O_RDONLY);
    return new DiskSource(disk.path, disk.sizeBytes, handle);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(length);
    await readFully(this.#handle, bytes, offset, this.#path);
    return bytes;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
