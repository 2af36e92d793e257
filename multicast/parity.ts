import { inverse, invertMatrix } from "./galois.ts";
import { ROW_ALIGNMENT_BYTES, type RowKernel, rowKernel } from "./row-kernel.ts";

/** Source and parity symbols of a block together: a symbol's number is one byte. */
export const MOST_SYMBOLS = 256;

/**
 * Systematic Reed-Solomon code over GF(256): from any `sourceCount` different
 * symbols of a block the others follow.
 *
 * Parity symbol p (counted like all symbols, so from `sourceCount`) is the sum
 * over all source symbols c of c's bytes times 1 / (p xor c): a Cauchy matrix,
 * whose square parts all have an inverse (RFC 5510 has a Vandermonde matrix;
 * this one needs no set-up).
 *
 * The memory for one block is kept and used again: one codec serves one thread.
 */
export class ParityCodec {
  readonly sourceCount: number;
  readonly symbolBytes: number;
  readonly #rowBytes: number;
  readonly #kernel: RowKernel;
  /** Which bytes the source rows hold now, so that many parity symbols of one block copy it once. */
  #loaded: Uint8Array | undefined;

  /** @param kernel for tests; by default the fastest that runs here */
  constructor(sourceCount: number, symbolBytes: number, kernel = rowKernel) {
    this.sourceCount = sourceCount;
    this.symbolBytes = symbolBytes;
    this.#rowBytes = Math.ceil(symbolBytes / ROW_ALIGNMENT_BYTES) * ROW_ALIGNMENT_BYTES;
    // Beside the source rows: one for each source symbol that can be missing.
    this.#kernel = kernel(this.#rowBytes * sourceCount * 2);
  }

  /**
   * One parity symbol.
   *
   * @param block the source symbols end to end; those that are missing at its end are zeros. Several calls with the same
   *   array read it once, so it must not change between them
   * @param number `sourceCount` to 255
   */
  encode(block: Uint8Array, number: number): Uint8Array {
    this.#load(block);
    const target = this.#rowBytes * this.sourceCount;
    this.#kernel.memory.fill(0, target, target + this.#rowBytes);
    for (let source = 0; source < this.sourceCount; source += 1) {
      this.#kernel.multiplyAdd(target, this.#rowBytes * source, this.#rowBytes, inverse(number ^ source));
    }
    return this.#kernel.memory.slice(target, target + this.symbolBytes);
  }

  /**
   * Puts the missing source symbols of a block into their places.
   *
   * @param block the source symbols end to end; in the place of each missing one there is a parity symbol
   * @param missing numbers of the missing source symbols
   * @param parity number of the parity symbol in the place of each
   */
  decode(block: Uint8Array, missing: readonly number[], parity: readonly number[]): void {
    const { memory } = this.#kernel;
    const rowBytes = this.#rowBytes;
    const { sourceCount, symbolBytes } = this;
    this.#loaded = undefined;
    this.#copyIn(block);
    for (const number of missing) memory.fill(0, rowBytes * number, rowBytes * (number + 1));
    // What the present source symbols do not explain of each parity symbol is due to the missing ones.
    for (const [at, number] of parity.entries()) {
      const target = rowBytes * (sourceCount + at);
      const from = missing[at]! * symbolBytes;
      memory.set(block.subarray(from, from + symbolBytes), target);
      memory.fill(0, target + symbolBytes, target + rowBytes);
      for (let source = 0; source < sourceCount; source += 1) {
        this.#kernel.multiplyAdd(target, rowBytes * source, rowBytes, inverse(number ^ source));
      }
    }
    const solution = invertMatrix(
      parity.map((number) => Uint8Array.from(missing, (source) => inverse(number ^ source))),
    );
    for (const [row, number] of missing.entries()) {
      const target = rowBytes * number;
      for (const [at, factor] of solution[row]!.entries()) {
        this.#kernel.multiplyAdd(target, rowBytes * (sourceCount + at), rowBytes, factor);
      }
      block.set(memory.subarray(target, target + symbolBytes), number * symbolBytes);
    }
  }

  #load(block: Uint8Array): void {
    if (this.#loaded === block) return;
    this.#copyIn(block);
    this.#loaded = block;
  }

  #copyIn(block: Uint8Array): void {
    const { memory } = this.#kernel;
    for (let source = 0; source < this.sourceCount; source += 1) {
      const from = source * this.symbolBytes;
      const target = this.#rowBytes * source;
      const symbol = block.subarray(from, from + this.symbolBytes);
      memory.set(symbol, target);
      memory.fill(0, target + symbol.length, target + this.#rowBytes);
    }
  }
}
