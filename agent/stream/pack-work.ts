import { CELL_BYTES } from "../../images/cell.ts";
import { freeMemory } from "../../images/free-memory.ts";
import type { PackEntry } from "../../images/manifest.ts";
import { decodePack, MAX_PACK_BYTES } from "../../images/pack.ts";
import { openSealedPack, SEAL_BYTES, type StoreKey } from "../../images/sealed-pack.ts";
import { ParityCodec } from "../../multicast/parity.ts";

/** A part of a piece of memory. */
export type Span = { readonly at: number; readonly length: number };

/** What all packs and blocks of a stream have in common. */
export type UnpackFormat = {
  readonly symbolsPerBlock: number;
  readonly symbolBytes: number;
  /** Of an encrypted stream. */
  readonly key?: StoreKey | undefined;
};

/** What a pack is checked against. */
export type PackNames = Pick<PackEntry, "digest" | "cellIds">;

/** A place that `unpack` writes into has so many bytes. */
export const PLACE_BYTES = MAX_PACK_BYTES + SEAL_BYTES;

/** The cells of a pack that lie end to end in `bytes`. */
export function cellsIn(bytes: Uint8Array): Uint8Array[] {
  const cells: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += CELL_BYTES) cells.push(bytes.subarray(at, at + CELL_BYTES));
  return cells;
}

/** What costs time of a reception: computing lost symbols, checking packs and unpacking them. It serves one thread. */
export class PackWork {
  readonly #codec: ParityCodec;
  readonly #key: StoreKey | undefined;

  constructor(format: UnpackFormat) {
    this.#key = format.key;
    this.#codec = new ParityCodec(format.symbolsPerBlock, format.symbolBytes);
  }

  /** As `ParityCodec.decode`. */
  repair(block: Uint8Array, missing: readonly number[], parity: readonly number[]): void {
    this.#codec.decode(block, missing, parity);
  }

  /**
   * Checks a pack and unpacks it.
   *
   * @param pieces its stored bytes, end to end
   * @param place of PLACE_BYTES; what is in it is lost
   * @returns where in `place` its cells lie, end to end
   * @throws {Fault} PACK_DAMAGED, PACK_INVALID: nothing of it may be written
   */
  unpack(pieces: readonly Uint8Array[], names: PackNames, place: Uint8Array): Span {
    let length = 0;
    // More than fits is no pack: too long is found by its name.
    for (const piece of pieces) {
      const part = piece.subarray(0, place.length - length);
      place.set(part, length);
      length += part.length;
    }
    const stored = place.subarray(0, length);
    const pack = this.#key === undefined ? stored : openSealedPack(names.digest, stored, this.#key);
    const cells = decodePack(pack, names);
    const plainBytes = cells.reduce((sum, cell) => sum + cell.length, 0);
    const first = cells[0]!;
    // A pack that did not shrink is not copied again: its cells lie in the place itself.
    if (first.buffer === place.buffer) return { at: first.byteOffset - place.byteOffset, length: plainBytes };
    let at = 0;
    for (const cell of cells) {
      place.set(cell, at);
      at += cell.length;
    }
    freeMemory(first);
    return { at: 0, length: plainBytes };
  }
}
