import type { BlockSource } from "./block.ts";
import { CELL_BYTES } from "./cell.ts";
import type { ForeignRange } from "./foreign-image.ts";
import { type Manifest, packOfStored } from "./manifest.ts";
import { decodePack } from "./pack.ts";
import type { PackReader } from "./pack-reader.ts";

/** Unpacked packs that are kept: 16 MiB. */
const KEPT_PACKS = 16;

/**
 * The disk of an image of the store, to be read at any place; zero and unused
 * cells read as zeros. Every cell that it gives was compared with its id.
 *
 * `read` throws what `packs` throws, and Fault PACK_DAMAGED.
 */
export class StoredDisk implements BlockSource {
  readonly sizeBytes: number;
  readonly #packs: PackReader;
  readonly #manifest: Manifest;
  /** By pack number; the one that was used last is the last. */
  readonly #kept = new Map<number, Promise<Uint8Array[]>>();

  constructor(packs: PackReader, manifest: Manifest) {
    this.#packs = packs;
    this.#manifest = manifest;
    this.sizeBytes = manifest.diskBytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.alloc(length);
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const cell = Math.floor(at / CELL_BYTES);
      const { state, firstCell, count, firstStored } = this.#manifest.cells.runAt(cell);
      if (state !== "data") {
        at = Math.min(end, (firstCell + count) * CELL_BYTES);
        continue;
      }
      const pieceEnd = Math.min(end, (cell + 1) * CELL_BYTES);
      const content = await this.#cell(firstStored + cell - firstCell);
      bytes.set(content.subarray(at - cell * CELL_BYTES, pieceEnd - cell * CELL_BYTES), at - offset);
      at = pieceEnd;
    }
    return bytes;
  }

  /** What is known of the disk without reading it. */
  *ranges(): Generator<ForeignRange> {
    for (const { state, firstCell, count } of this.#manifest.cells.runs())
      yield {
        startBytes: firstCell * CELL_BYTES,
        endBytes: Math.min((firstCell + count) * CELL_BYTES, this.sizeBytes),
        state,
      };
  }

  async #cell(stored: number): Promise<Uint8Array> {
    const { packs } = this.#manifest;
    const number = packOfStored(packs, stored);
    const cells = await this.#pack(number);
    return cells[stored - packs[number]!.firstStored]!;
  }

  #pack(number: number): Promise<Uint8Array[]> {
    const cells = this.#kept.get(number) ?? this.#open(number);
    this.#kept.delete(number);
    this.#kept.set(number, cells);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= KEPT_PACKS) break;
      this.#kept.delete(oldest);
    }
    return cells;
  }

  async #open(number: number): Promise<Uint8Array[]> {
    const entry = this.#manifest.packs[number]!;
    return decodePack(await this.#packs.read(entry, number), entry);
  }
}
