import { constants, type FileHandle, open } from "node:fs/promises";
import type { BlockSource } from "../../images/block.ts";
import type { Tools } from "../machine/tools.ts";
import type { DiskLayout } from "./fault.ts";
import { openDisk } from "./handle.ts";
import { DiskReads } from "./reads.ts";

const SECTOR_BYTES = 512;

export type DiskSourceOptions = {
  /** What is read comes from the disk itself and is kept nowhere: for much that is read once. */
  readonly isDirect?: boolean;
  /** Of the image that is on it, to name places that cannot be read. */
  readonly layout?: Pick<DiskLayout, "partitions">;
};

/** The local disk as something to read back. */
export class DiskSource implements BlockSource {
  readonly sizeBytes: number;
  readonly #handle: FileHandle;
  readonly #reads: DiskReads;

  private constructor(sizeBytes: number, handle: FileHandle, reads: DiskReads) {
    this.sizeBytes = sizeBytes;
    this.#handle = handle;
    this.#reads = reads;
  }

  /**
   * Opens the disk for reading, after the kernel was told to forget what it has
   * of it in memory: reading back the cache would verify the memory, not the disk.
   */
  static async open(
    disk: { readonly path: string; readonly sizeBytes: number; readonly sectorBytes?: number },
    tools: Tools,
    { isDirect = false, layout = {} }: DiskSourceOptions = {},
  ): Promise<DiskSource> {
    const { path, sizeBytes, sectorBytes = SECTOR_BYTES } = disk;
    await tools.run("blockdev", ["--flushbufs", path], { timeoutMs: 120_000 });
    const opened = isDirect
      ? await openDisk({ path, sizeBytes, sectorBytes }, constants.O_RDONLY)
      : { handle: await open(path, constants.O_RDONLY), isDirect: false };
    const reads = new DiskReads({ ...opened, path, layout: { ...layout, sectorBytes } });
    return new DiskSource(sizeBytes, opened.handle, reads);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(length);
    await this.#reads.into(offset, bytes);
    return bytes;
  }

  async readInto(offset: number, target: Uint8Array): Promise<void> {
    await this.#reads.into(offset, target);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
