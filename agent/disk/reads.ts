import type { FileHandle } from "node:fs/promises";
import { AlignedPlaces, isPaged } from "./aligned-memory.ts";
import { type DiskLayout, diskFault, firstBadSector, isBadSector, placeOnDisk } from "./fault.ts";

/** What is read into memory that a disk cannot reach by itself goes through places of this size. */
const PLACE_BYTES = 256 * 1024;

export type DiskReadsParts = {
  readonly handle: Pick<FileHandle, "read">;
  /** The handle reads past the kernel's memory (O_DIRECT), whole sectors only. */
  readonly isDirect: boolean;
  readonly path: string;
  readonly layout: DiskLayout;
};

/** Reads of an open disk. A sector that cannot be read is found, and named in the fault. */
export class DiskReads {
  readonly #parts: DiskReadsParts;
  /** Those that nobody uses now: as many as were ever used at the same time. */
  readonly #places: Uint8Array[] = [];

  constructor(parts: DiskReadsParts) {
    this.#parts = parts;
  }

  /**
   * Fills `target`; straight from the disk where that is paged memory and whole sectors are asked for.
   *
   * @throws {Fault} DISK_READ with the first place that cannot be read
   */
  async into(offset: number, target: Uint8Array): Promise<void> {
    const { isDirect, layout } = this.#parts;
    const sector = layout.sectorBytes;
    if (!isDirect || (isPaged(target) && offset % sector === 0 && target.length % sector === 0)) {
      return this.#fill(offset, target);
    }
    const place = this.#places.pop() ?? new AlignedPlaces(1, PLACE_BYTES).take()!;
    try {
      for (let done = 0; done < target.length; ) {
        const at = offset + done;
        const before = at % sector;
        const length = Math.min(place.length - before, target.length - done);
        const sectors = place.subarray(0, Math.ceil((before + length) / sector) * sector);
        await this.#fill(at - before, sectors);
        target.set(sectors.subarray(before, before + length), done);
        done += length;
      }
    } finally {
      this.#places.push(place);
    }
  }

  async #fill(offset: number, bytes: Uint8Array): Promise<void> {
    const { path, layout } = this.#parts;
    try {
      await this.#readAll(offset, bytes);
    } catch (error) {
      const tryRange = (at: number, length: number) =>
        this.#readAll(at, bytes.subarray(at - offset, at - offset + length));
      const bad = isBadSector(error)
        ? await firstBadSector(offset, bytes.length, layout.sectorBytes, tryRange)
        : offset;
      throw diskFault("read", path, placeOnDisk(bad, layout), error);
    }
  }

  async #readAll(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await this.#parts.handle.read(bytes, done, bytes.length - done, offset + done);
      if (bytesRead === 0) throw new Error("the device ends here");
      done += bytesRead;
    }
  }
}
