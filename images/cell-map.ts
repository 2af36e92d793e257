/** Content numbers from here on are not stored cells but states. */
const UNUSED = 0xffff_fffe;
const ZERO = 0xffff_ffff;

/** A disk has at most so many cells: 256 TiB. The two numbers above are kept for the states. */
export const MAX_CELLS = UNUSED;

/** Where the content of one cell of the disk is. */
export type CellPlace =
  | { readonly state: "zero" }
  | { readonly state: "unused" }
  /** `stored` counts the stored cells of all packs through, in stream order. */
  | { readonly state: "data"; readonly stored: number };

/** Neighbouring cells of the disk in one state; data cells come from neighbouring stored cells. */
export type CellRun = {
  readonly firstCell: number;
  readonly count: number;
  readonly state: "zero" | "unused" | "data";
  /** The stored cell behind `firstCell`; 0 unless the state is "data". */
  readonly firstStored: number;
};

/**
 * The place of every cell of a disk, kept as runs: an empty terabyte is one
 * run, not 16 million entries.
 */
export class CellMap {
  // Run r covers the cells from #starts[r] up to #starts[r + 1], and #contents[r] is its first content number.
  readonly #starts: Uint32Array;
  readonly #contents: Uint32Array;

  /** Use `CellMapBuilder`. */
  constructor(starts: Uint32Array, contents: Uint32Array) {
    this.#starts = starts;
    this.#contents = contents;
  }

  /** How many cells the disk has. */
  get length(): number {
    return this.#starts[this.#contents.length]!;
  }

  get runCount(): number {
    return this.#contents.length;
  }

  /** The run with number `run`, 0 ≤ run < runCount. */
  run(run: number): CellRun {
    const firstCell = this.#starts[run]!;
    const content = this.#contents[run]!;
    const state = content === ZERO ? "zero" : content === UNUSED ? "unused" : "data";
    return { firstCell, count: this.#starts[run + 1]! - firstCell, state, firstStored: state === "data" ? content : 0 };
  }

  /** All runs in disk order. */
  *runs(): Generator<CellRun> {
    for (let run = 0; run < this.runCount; run += 1) yield this.run(run);
  }

  /** The run that holds `cell`, by binary search. */
  runAt(cell: number): CellRun {
    if (!(cell >= 0 && cell < this.length)) throw new RangeError(`Cell ${cell} of ${this.length}`);
    let low = 0;
    let high = this.runCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= cell) low = middle;
      else high = middle - 1;
    }
    return this.run(low);
  }

  /** The place of one cell. */
  at(cell: number): CellPlace {
    const { state, firstStored, firstCell } = this.runAt(cell);
    return state === "data" ? { state, stored: firstStored + cell - firstCell } : { state };
  }
}

/** Collects runs in disk order and joins those that continue each other. */
export class CellMapBuilder {
  #starts = new Uint32Array(64);
  #contents = new Uint32Array(64);
  #runs = 0;
  #cells = 0;

  zero(count = 1): void {
    this.#add(ZERO, count);
  }

  unused(count = 1): void {
    this.#add(UNUSED, count);
  }

  data(firstStored: number, count = 1): void {
    this.#add(firstStored, count);
  }

  get length(): number {
    return this.#cells;
  }

  finish(): CellMap {
    const starts = new Uint32Array(this.#runs + 1);
    starts.set(this.#starts.subarray(0, this.#runs));
    starts[this.#runs] = this.#cells;
    return new CellMap(starts, this.#contents.slice(0, this.#runs));
  }

  #add(content: number, count: number): void {
    if (count === 0) return;
    if (!this.#continues(content)) {
      if (this.#runs === this.#contents.length) this.#grow();
      this.#starts[this.#runs] = this.#cells;
      this.#contents[this.#runs] = content;
      this.#runs += 1;
    }
    this.#cells += count;
  }

  #continues(content: number): boolean {
    if (this.#runs === 0) return false;
    const last = this.#contents[this.#runs - 1]!;
    if (last >= UNUSED || content >= UNUSED) return last === content;
    return content === last + (this.#cells - this.#starts[this.#runs - 1]!);
  }

  #grow(): void {
    const starts = new Uint32Array(this.#runs * 2);
    const contents = new Uint32Array(this.#runs * 2);
    starts.set(this.#starts);
    contents.set(this.#contents);
    this.#starts = starts;
    this.#contents = contents;
  }
}
