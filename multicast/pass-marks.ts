import type { StreamLayout } from "./layout.ts";

/** A pass is shown as so many marks: one for every 2 %. */
export const MARKS_PER_PASS = 50;

/** As many marks are kept for who does not take them. */
const MOST_MARKS = 4 * MARKS_PER_PASS;
/** Passes that are shorter are not counted. */
const LEAST_PASS_MS = 100;

/** One fiftieth of a pass has gone by. `isMissing`: some of it has not arrived, in this pass or before. */
export type Mark = { readonly pass: number; readonly mark: number; readonly isMissing: boolean };

/** What is here of a stream: see SymbolStore. */
type HeldSymbols = {
  lackingOf(block: number): number;
  has(number: number): boolean;
};

/** How far the passes of a stream have gone by at a receiver, as marks that are shown to people. */
export class PassMarks {
  readonly #layout: StreamLayout;
  readonly #store: HeldSymbols;
  /** The first symbol seen: passes are counted from there. */
  #firstNumber: number | undefined;
  /** How far the pass is, in symbols from `#firstNumber`. */
  #reached = 0;
  #fullPasses = 0;
  #marksShown = 0;
  #passUntil = 0;
  #marks: Mark[] = [];

  constructor(layout: StreamLayout, store: HeldSymbols) {
    this.#layout = layout;
    this.#store = store;
  }

  /** A symbol has gone by. */
  get hasBegun(): boolean {
    return this.#firstNumber !== undefined;
  }

  /** Whole passes that have gone by since the first symbol. */
  get fullPasses(): number {
    return this.#fullPasses;
  }

  /** Marks of the stretches that have gone by since the last call. */
  take(): readonly Mark[] {
    const marks = this.#marks;
    this.#marks = [];
    return marks;
  }

  /**
   * The newest symbol, counted through the stream. They go by in ascending order, so one lying behind the one before
   * means a new pass.
   */
  follow(number: number, now: number): void {
    if (this.#firstNumber === undefined) {
      this.#firstNumber = number;
      return;
    }
    const count = this.#layout.symbolCount;
    const reached = (number - this.#firstNumber + count) % count;
    if (reached <= this.#reached) {
      // Anybody can send symbols in any order; a pass is looked over as a whole when it ends.
      if (now < this.#passUntil) return;
      this.#passUntil = now + LEAST_PASS_MS;
      this.end();
      this.#fullPasses += 1;
      this.#marksShown = 0;
    }
    this.#reached = reached;
    // A mark later: what was lost of a stretch has mostly been repaired by then.
    this.#showMarks(Math.floor((reached * MARKS_PER_PASS) / count) - 1);
  }

  // Whole blocks at once where nothing of them is needed: a stretch of a large stream has a million symbols.
  #isMissingIn(from: number, to: number): boolean {
    const { symbolCount, symbolsPerBlock } = this.#layout;
    for (let at = from; at < to; ) {
      const number = (at + (this.#firstNumber ?? 0)) % symbolCount;
      const block = Math.floor(number / symbolsPerBlock);
      if (this.#store.lackingOf(block) === 0) {
        at += this.#layout.symbolsOfBlock(block) - (number - block * symbolsPerBlock);
      } else if (this.#store.has(number)) at += 1;
      else return true;
    }
    return false;
  }

  /** The pass has gone by as a whole, whatever of it arrived. */
  end(): void {
    if (this.#firstNumber !== undefined) this.#showMarks(MARKS_PER_PASS);
  }

  #showMarks(until: number): void {
    const count = this.#layout.symbolCount;
    for (; this.#marksShown < until; this.#marksShown += 1) {
      const from = Math.floor((this.#marksShown * count) / MARKS_PER_PASS);
      const to = Math.floor(((this.#marksShown + 1) * count) / MARKS_PER_PASS);
      const isMissing = this.#isMissingIn(from, to);
      if (this.#marks.length < MOST_MARKS)
        this.#marks.push({ pass: this.#fullPasses + 1, mark: this.#marksShown + 1, isMissing });
    }
  }
}
