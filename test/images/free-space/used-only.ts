import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import type { BlockSource } from "../../../images/block.ts";
import { CELL_BYTES, cellLength } from "../../../images/cell.ts";
import type { Manifest } from "../../../images/manifest.ts";
import { decodePack, type EncodedPack } from "../../../images/pack.ts";
import { placesOfPack } from "../../../images/pack-places.ts";
import { readDiskLayout } from "../../../images/partition-table.ts";
import { scan } from "../../../images/scan.ts";
import { findUnusedCells, type UnusedCells, type UnusedCellsOptions } from "../../../images/unused-cells.ts";

/** A file that counts what is read of it. */
export class CountedFile implements BlockSource {
  readonly sizeBytes: number;
  readBytes = 0;
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "r");
    this.sizeBytes = fstatSync(this.#file).size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < 0 || offset + length > this.sizeBytes) throw new RangeError(`read ${offset}+${length}`);
    this.readBytes += length;
    const bytes = Buffer.alloc(length);
    readSync(this.#file, bytes, 0, length, offset);
    return bytes;
  }

  close(): void {
    closeSync(this.#file);
  }
}

export type UsedOnly = {
  readonly manifest: Manifest;
  readonly unused: UnusedCells;
  /** By the readers of the file systems and the scan together. */
  readonly readBytes: number;
  readonly storedBytes: number;
};

/**
 * Images what is used of a disk image file and restores that to another, on which
 * everything that is not written is garbage: the worst disk to restore to.
 */
export async function restoreUsedOnly(
  path: string,
  restoredPath: string,
  options: UnusedCellsOptions = {},
): Promise<UsedOnly> {
  const source = new CountedFile(path);
  try {
    const layout = await readDiskLayout(source);
    const unused = await findUnusedCells(source, layout, options);
    const packs = new Map<string, EncodedPack>();
    const manifest = await scan(source, {
      tag: { name: "used", version: 1, builder: "test", createdAtMs: 1, notes: "" },
      codec: "zstd",
      level: 1,
      layout,
      isUnused: unused.isUnused,
      onPack: async (pack) => void packs.set(pack.digest, pack),
    });
    const { readBytes } = source;
    writeRestored(restoredPath, manifest, packs);
    return { manifest, unused, readBytes, storedBytes: manifest.packs.reduce((sum, one) => sum + one.storedBytes, 0) };
  } finally {
    source.close();
  }
}

function writeRestored(path: string, manifest: Manifest, packs: ReadonlyMap<string, EncodedPack>): void {
  const garbage = Buffer.alloc(CELL_BYTES, 0xa5);
  const zeros = Buffer.alloc(CELL_BYTES);
  const file = openSync(path, "w");
  const write = (cell: number, content: Uint8Array) =>
    writeSync(file, content, 0, cellLength(cell, manifest.diskBytes), cell * CELL_BYTES);
  try {
    for (const { state, firstCell, count } of manifest.cells.runs())
      for (let cell = firstCell; cell < firstCell + count; cell += 1)
        if (state !== "data") write(cell, state === "zero" ? zeros : garbage);
    const places = placesOfPack(manifest);
    for (const [number, pack] of manifest.packs.entries()) {
      const cells = decodePack(packs.get(pack.digest)!.bytes, pack);
      for (const { index, cell } of places.get(number)) write(cell, cells[index]!);
    }
  } finally {
    closeSync(file);
  }
}
