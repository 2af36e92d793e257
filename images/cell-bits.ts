/** Cells of one page of bits: 4 GiB of a disk. */
const PAGE_CELLS = 65536;
const full = new Uint8Array(PAGE_CELLS / 8).fill(0xff);

/**
 * A set of cells, one bit each, in pages that are made when they are needed:
 * a disk of any size on which nothing is known, or all of it is free, costs nothing.
 */
export class CellBits {
  readonly #pages = new Map<number, Uint8Array>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  has(cell: number): boolean {
    const page = this.#pages.get(Math.floor(cell / PAGE_CELLS));
    const at = cell % PAGE_CELLS;
    return page !== undefined && (page[at >> 3]! & (1 << (at & 7))) !== 0;
  }

  /** Adds the cells from `first` up to `end`. */
  mark(first: number, end: number): void {
    for (let cell = first; cell < end; ) {
      const page = Math.floor(cell / PAGE_CELLS);
      const from = cell % PAGE_CELLS;
      const to = Math.min(PAGE_CELLS, end - page * PAGE_CELLS);
      if (from === 0 && to === PAGE_CELLS) {
        this.#count += PAGE_CELLS - countOf(this.#pages.get(page));
        this.#pages.set(page, full);
      } else this.#markIn(page, from, to);
      cell = page * PAGE_CELLS + to;
    }
  }

  /** Adds all cells of another set. */
  add(other: CellBits): void {
    for (const [number, theirs] of other.#pages) {
      const own = this.#pages.get(number);
      // A page of its own: the other set may go on.
      const both =
        theirs === full || own === full ? full : Uint8Array.from(theirs, (byte, at) => byte | (own?.[at] ?? 0));
      this.#count += countOf(both) - countOf(own);
      this.#pages.set(number, both);
    }
  }

  #markIn(number: number, from: number, to: number): void {
    const page = this.#pages.get(number) ?? new Uint8Array(PAGE_CELLS / 8);
    if (page === full) return;
    for (let at = from; at < to; at += 1) {
      const bit = 1 << (at & 7);
      if ((page[at >> 3]! & bit) !== 0) continue;
      page[at >> 3]! |= bit;
      this.#count += 1;
    }
    this.#pages.set(number, page);
  }
}

function countOf(page: Uint8Array | undefined): number {
  if (page === undefined) return 0;
  if (page === full) return PAGE_CELLS;
  let count = 0;
  for (let byte of page) for (; byte !== 0; byte &= byte - 1) count += 1;
  return count;
}
