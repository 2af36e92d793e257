import { type BlockSource, readInto } from "./block.ts";
import { CELL_BYTES, CELLS_PER_PACK, cellCount, cellLength } from "./cell.ts";
import type { CellWork } from "./cell-work.ts";
import type { KnownCells } from "./known-cells.ts";

export type IdentifiedCell = { readonly bytes: Uint8Array; readonly id: Uint8Array };

/** What one cell of the disk is. */
export type CellContent =
  | { readonly state: "zero" | "table" }
  | { readonly state: "unused"; readonly sizeBytes: number }
  | ({ readonly state: "data" } & IdentifiedCell);

/** One MiB of the disk, and the memory that its cells lie in when any were read. */
export type Stretch = { readonly contents: readonly CellContent[]; readonly memory?: Uint8Array };

export type StretchOptions = {
  readonly isUnused?: (cell: number) => boolean;
  readonly known?: KnownCells;
};

/** So few unused cells are read along with those around them: one more request would take longer. */
const READ_ACROSS_CELLS = 2;

/** Reads a disk by the MiB, as a scan packs it, and identifies its cells. */
export class StretchReader {
  readonly #source: BlockSource;
  readonly #work: CellWork;
  readonly #tableCells: ReadonlySet<number>;
  readonly #options: StretchOptions;

  constructor(source: BlockSource, work: CellWork, tableCells: ReadonlySet<number>, options: StretchOptions) {
    this.#source = source;
    this.#work = work;
    this.#tableCells = tableCells;
    this.#options = options;
  }

  /**
   * The MiB from cell `first` on; what no file system uses is read only where it lies between.
   * The memory of the stretch is the caller's, who gives it back to `work`.
   */
  async read(first: number): Promise<Stretch> {
    const end = Math.min(first + CELLS_PER_PACK, cellCount(this.#source.sizeBytes));
    const contents: CellContent[] = [];
    const wanted: number[] = [];
    for (let cell = first; cell < end; cell += 1) {
      const known = this.#knownContent(cell);
      contents.push(known ?? { state: "zero" });
      if (known === undefined) wanted.push(cell);
    }
    if (wanted.length === 0) return { contents };
    const memory = this.#work.take((end - first) * CELL_BYTES);
    const bytesOf = (from: number, to: number) => {
      const length = (to - 1 - from) * CELL_BYTES + cellLength(to - 1, this.#source.sizeBytes);
      return memory.subarray((from - first) * CELL_BYTES, (from - first) * CELL_BYTES + length);
    };
    try {
      await this.#fill(wanted, bytesOf);
      const ids = await this.#work.identify(wanted.map((cell) => bytesOf(cell, cell + 1)));
      for (const [at, cell] of wanted.entries()) {
        const id = ids[at];
        if (id !== undefined) contents[cell - first] = { state: "data", bytes: bytesOf(cell, cell + 1), id };
      }
      return { contents, memory };
    } catch (error) {
      this.#work.giveBack(memory);
      throw error;
    }
  }

  async #fill(wanted: readonly number[], bytesOf: (from: number, to: number) => Uint8Array): Promise<void> {
    const pieces = piecesOf(wanted);
    const reading = pieces.map(({ first, end }) => readInto(this.#source, first * CELL_BYTES, bytesOf(first, end)));
    // When one fails the others may still be filling their memory: it must not be given back before.
    const outcomes = await Promise.allSettled(reading);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  #knownContent(cell: number): CellContent | undefined {
    if (this.#tableCells.has(cell)) return { state: "table" };
    const isUnused = this.#options.isUnused?.(cell) === true;
    const state = isUnused ? "unused" : this.#options.known?.stateOf(cell);
    if (state === "unused") return { state, sizeBytes: cellLength(cell, this.#source.sizeBytes) };
    return state && { state };
  }
}

/** Cells that are read together. */
function piecesOf(wanted: readonly number[]): { readonly first: number; readonly end: number }[] {
  const pieces: { first: number; end: number }[] = [];
  for (const cell of wanted) {
    const last = pieces.at(-1);
    if (last !== undefined && cell - last.end <= READ_ACROSS_CELLS) last.end = cell + 1;
    else pieces.push({ first: cell, end: cell + 1 });
  }
  return pieces;
}
