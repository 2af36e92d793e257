import { createHash } from "node:crypto";
import { CellIdTable } from "../../images/cell-id-table.ts";
import { idsOf } from "../../images/cell-lists.ts";

export type IndexedPack = { readonly digest: string; readonly storedBytes: number };

/**
 * Which pack has which cell: 50 bytes a cell. It only says where to look; whoever
 * uses a pack checks it, and says `forget` when it is not what it was.
 */
export class CellIndex {
  readonly #packs: IndexedPack[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #bad = new Set<number>();
  readonly #cells = new CellIdTable();
  // The pack of each cell of #cells, and its place in there.
  #packOf = new Uint32Array(1024);
  #placeOf = new Uint8Array(1024);
  // By the SHA-256 of all ids of a pack.
  readonly #exact = new CellIdTable();
  readonly #exactPack: number[] = [];

  /** Adds a pack, or believes again in one that was forgotten. */
  add(pack: IndexedPack, cellIds: Uint8Array): void {
    const known = this.#numbers.get(pack.digest);
    if (known !== undefined) {
      if (this.#bad.delete(known)) this.#place(known, cellIds);
      return;
    }
    const number = this.#packs.push(pack) - 1;
    this.#numbers.set(pack.digest, number);
    this.#place(number, cellIds);
  }

  has(digest: string): boolean {
    return this.#numbers.has(digest);
  }

  /** The pack with exactly these cells. */
  packWith(cellIds: Uint8Array): IndexedPack | undefined {
    const at = this.#exact.find(nameOf(cellIds));
    return at === undefined ? undefined : this.#sound(this.#exactPack[at]!);
  }

  /** A pack that has this cell, and its place in there. */
  find(id: Uint8Array): { readonly pack: IndexedPack; readonly place: number } | undefined {
    const at = this.#cells.find(id);
    if (at === undefined) return undefined;
    const pack = this.#sound(this.#packOf[at]!);
    return pack && { pack, place: this.#placeOf[at]! };
  }

  /** This pack is missing or damaged. */
  forget(digest: string): void {
    const number = this.#numbers.get(digest);
    if (number !== undefined) this.#bad.add(number);
  }

  #sound(number: number): IndexedPack | undefined {
    return this.#bad.has(number) ? undefined : this.#packs[number];
  }

  /** A cell or a list of cells keeps the first sound pack that it was found in. */
  #place(number: number, cellIds: Uint8Array): void {
    for (const [place, id] of idsOf(cellIds).entries()) {
      const at = this.#cells.find(id) ?? this.#addCell(id);
      if (this.#packOf[at] !== number && this.#packOf[at] !== NONE && !this.#bad.has(this.#packOf[at]!)) continue;
      this.#packOf[at] = number;
      this.#placeOf[at] = place;
    }
    const name = nameOf(cellIds);
    const at = this.#exact.find(name) ?? this.#exact.add(name);
    const before = this.#exactPack[at];
    if (before === undefined || this.#bad.has(before)) this.#exactPack[at] = number;
  }

  #addCell(id: Uint8Array): number {
    const at = this.#cells.add(id);
    if (at === this.#packOf.length) {
      const packOf = new Uint32Array(at * 2);
      packOf.set(this.#packOf);
      this.#packOf = packOf;
      const placeOf = new Uint8Array(at * 2);
      placeOf.set(this.#placeOf);
      this.#placeOf = placeOf;
    }
    this.#packOf[at] = NONE;
    return at;
  }
}

const NONE = 0xffff_ffff;

function nameOf(cellIds: Uint8Array): Uint8Array {
  return createHash("sha256").update(cellIds).digest();
}
