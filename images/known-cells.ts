import { CELL_BYTES, cellCount } from "./cell.ts";
import { CellBits } from "./cell-bits.ts";
import type { ForeignRange } from "./foreign-image.ts";

/**
 * The cells of a foreign image whose content is known without reading them: holes, zero and unused stretches.
 * Costs at most two bits a cell.
 */
export class KnownCells {
  readonly #zero = new CellBits();
  readonly #unused = new CellBits();
  readonly #changed: CellBits | undefined;

  /**
   * @param ranges as `ForeignImage.ranges` gives them
   * @param options.keepsUnused unused stretches count as zeros: that is how they read
   * @param options.changed cells that are not any more what the image holds there
   */
  constructor(
    ranges: Iterable<ForeignRange>,
    sizeBytes: number,
    options: { readonly keepsUnused?: boolean | undefined; readonly changed?: CellBits } = {},
  ) {
    this.#changed = options.changed;
    // A cell that is partly zero and partly unused counts as zero: so both kinds together, and unused ones by themselves.
    const empty = new Stretches(this.#zero, sizeBytes);
    const unused = new Stretches(this.#unused, sizeBytes);
    for (const { startBytes, endBytes, state } of ranges) {
      if (state !== "data") empty.add(startBytes, endBytes);
      if (state === "unused" && options.keepsUnused !== true) unused.add(startBytes, endBytes);
    }
    empty.finish();
    unused.finish();
  }

  /** Undefined: it has to be read. */
  stateOf(cell: number): "zero" | "unused" | undefined {
    if (this.#changed?.has(cell) === true) return undefined;
    if (this.#unused.has(cell)) return "unused";
    return this.#zero.has(cell) ? "zero" : undefined;
  }
}

/** Marks the cells that lie wholly in ranges; ranges that touch are one. */
class Stretches {
  readonly #cells: CellBits;
  readonly #sizeBytes: number;
  #startBytes = 0;
  #endBytes = 0;

  constructor(cells: CellBits, sizeBytes: number) {
    this.#cells = cells;
    this.#sizeBytes = sizeBytes;
  }

  add(startBytes: number, endBytes: number): void {
    if (startBytes !== this.#endBytes) {
      this.finish();
      this.#startBytes = startBytes;
    }
    this.#endBytes = endBytes;
  }

  finish(): void {
    const first = Math.ceil(this.#startBytes / CELL_BYTES);
    // The last cell of the disk may be short.
    const isEnd = this.#endBytes >= this.#sizeBytes;
    const end = isEnd ? cellCount(this.#sizeBytes) : Math.floor(this.#endBytes / CELL_BYTES);
    if (end > first) this.#cells.mark(first, end);
  }
}
