import type { BlockSource } from "./block.ts";
import { CELL_BYTES, CELLS_PER_PACK } from "./cell.ts";
import type { ForeignRange } from "./foreign-image.ts";
import { type Manifest, type PackEntry, packCellCount, packOfStored } from "./manifest.ts";
import { decodePack } from "./pack.ts";
import type { PackReader } from "./pack-reader.ts";

/** Unpacked packs that are kept: 16 MiB. */
const KEPT_PACKS = 16;
/** How far ahead of a reader that goes from start to end; no more than half of what is kept. */
const READ_AHEAD_CELLS = 6 * CELLS_PER_PACK;

/** The cells of a pack; `free` says that nobody uses them any more. */
export type Unpacked = { readonly cells: readonly Uint8Array[]; readonly free?: () => void };

/** Checks and unpacks a pack as `decodePack` does, perhaps on another thread. */
export type Unpack = (bytes: Uint8Array, entry: PackEntry) => Unpacked | Promise<Unpacked>;

/** A pack that is kept, or was until somebody who still reads it is done. */
type Kept = { readonly unpacked: Promise<Unpacked>; users: number; isKept: boolean };

const unpackHere: Unpack = (bytes, entry) => ({ cells: decodePack(bytes, entry) });

/**
 * The disk of an image of the store, to be read at any place; zero and unused
 * cells read as zeros. Every cell that it gives was compared with its id. A
 * reader that goes from start to end finds the next packs unpacked.
 *
 * `read` throws what `packs` throws, and Fault PACK_DAMAGED.
 */
export class StoredDisk implements BlockSource {
  readonly sizeBytes: number;
  readonly #packs: PackReader;
  readonly #manifest: Manifest;
  readonly #unpack: Unpack;
  /** By pack number; the one that was used last is the last. */
  readonly #kept = new Map<number, Kept>();
  #nextSequential = -1;
  #aheadCell = 0;

  constructor(packs: PackReader, manifest: Manifest, unpack: Unpack = unpackHere) {
    this.#packs = packs;
    this.#manifest = manifest;
    this.#unpack = unpack;
    this.sizeBytes = manifest.diskBytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(length);
    await this.readInto(offset, bytes);
    return bytes;
  }

  async readInto(offset: number, target: Uint8Array): Promise<void> {
    const end = offset + target.length;
    const isSequential = offset === this.#nextSequential;
    this.#nextSequential = end;
    if (isSequential) this.#readAhead(Math.floor(offset / CELL_BYTES), Math.ceil(end / CELL_BYTES) + READ_AHEAD_CELLS);
    else this.#aheadCell = 0;
    for (let at = offset; at < end; ) {
      const cell = Math.floor(at / CELL_BYTES);
      const { state, firstCell, count, firstStored } = this.#manifest.cells.runAt(cell);
      if (state !== "data") {
        const runEnd = Math.min(end, (firstCell + count) * CELL_BYTES);
        target.fill(0, at - offset, runEnd - offset);
        at = runEnd;
        continue;
      }
      const pieceEnd = Math.min(end, (cell + 1) * CELL_BYTES);
      const stored = firstStored + cell - firstCell;
      await this.#copy(stored, at - cell * CELL_BYTES, target.subarray(at - offset, pieceEnd - offset));
      at = pieceEnd;
    }
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

  /** Begins to unpack what the cells up to `end` need, as far as nobody has yet. */
  #readAhead(from: number, end: number): void {
    const { cells, packs } = this.#manifest;
    const last = Math.min(end, cells.length);
    for (let cell = Math.max(from, this.#aheadCell); cell < last; ) {
      const { state, firstCell, count, firstStored } = cells.runAt(cell);
      const runEnd = Math.min(last, firstCell + count);
      if (state !== "data") {
        cell = runEnd;
        continue;
      }
      const stored = firstStored + cell - firstCell;
      const number = packOfStored(packs, stored);
      // Who needs it gets the failure.
      this.#pack(number).unpacked.catch(() => {});
      cell = Math.min(runEnd, cell + packs[number]!.firstStored + packCellCount(packs[number]!) - stored);
    }
    this.#aheadCell = Math.max(this.#aheadCell, last);
  }

  /** Fills `target` from a stored cell, `skip` bytes into it. */
  async #copy(stored: number, skip: number, target: Uint8Array): Promise<void> {
    const { packs } = this.#manifest;
    const number = packOfStored(packs, stored);
    const pack = this.#pack(number);
    pack.users += 1;
    try {
      const { cells } = await pack.unpacked;
      target.set(cells[stored - packs[number]!.firstStored]!.subarray(skip, skip + target.length));
    } finally {
      pack.users -= 1;
      freeUnused(pack);
    }
  }

  #pack(number: number): Kept {
    const known = this.#kept.get(number);
    const pack = known ?? { unpacked: this.#open(number), users: 0, isKept: true };
    // One that failed is tried again the next time.
    if (known === undefined) pack.unpacked.catch(() => this.#kept.get(number) === pack && this.#kept.delete(number));
    this.#kept.delete(number);
    this.#kept.set(number, pack);
    for (const [oldest, old] of this.#kept) {
      if (this.#kept.size <= KEPT_PACKS) break;
      this.#kept.delete(oldest);
      old.isKept = false;
      freeUnused(old);
    }
    return pack;
  }

  async #open(number: number): Promise<Unpacked> {
    const entry = this.#manifest.packs[number]!;
    return this.#unpack(await this.#packs.read(entry, number), entry);
  }
}

function freeUnused({ unpacked, users, isKept }: Kept): void {
  if (isKept || users > 0) return;
  unpacked.then(
    ({ free }) => free?.(),
    () => {},
  );
}
