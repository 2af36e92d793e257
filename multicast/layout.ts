import { Fault } from "../fault.ts";
import { SEAL_BYTES } from "../images/sealed-pack.ts";
import type { StreamDescription } from "./description.ts";
import { LARGEST_SYMBOL_BYTES } from "./frame-size.ts";
import { MOST_BLOCKS } from "./packet.ts";
import { MOST_SYMBOLS } from "./parity.ts";

const MAX_SYMBOLS_PER_BLOCK = 200;

/**
 * Where every pack of a stream lies: the packs end to end are one line of
 * bytes, cut into symbols of `symbolBytes`, `symbolsPerBlock` of them a block.
 *
 * Packs are counted by their place in the stream here (0 is the first one
 * sent); `packNumbers` has their numbers in the manifest. Symbols are counted
 * through the whole stream. The last symbol is filled up with zeros. Symbols
 * behind it that would fill the last block are zeros which are never sent.
 */
export class StreamLayout {
  readonly symbolBytes: number;
  readonly symbolsPerBlock: number;
  readonly streamBytes: number;
  readonly symbolCount: number;
  readonly blockCount: number;
  /** Number in the manifest of each pack of the stream, ascending. */
  readonly packNumbers: readonly number[];
  /** Start of each pack in the stream, and the end of the last one. */
  readonly #starts: Float64Array;

  /**
   * @param packs the manifest's packs; only their sizes are used
   * @throws {Fault} STREAM_DESCRIPTION_WRONG when description and manifest cannot belong together
   */
  constructor(description: StreamDescription, packs: readonly { readonly storedBytes: number }[]) {
    const { symbolBytes, symbolsPerBlock } = description;
    if (!isWithin(symbolBytes, 1, LARGEST_SYMBOL_BYTES)) throw wrong(`its symbols have ${symbolBytes} bytes`);
    if (!isWithin(symbolsPerBlock, 1, MAX_SYMBOLS_PER_BLOCK)) throw wrong(`its blocks have ${symbolsPerBlock} symbols`);
    const numbers: number[] = [];
    const starts: number[] = [0];
    const sealBytes = description.isSealed === true ? SEAL_BYTES : 0;
    let next = 0;
    let end = 0;
    for (const [first, count] of description.packs) {
      if (!isWithin(first, next, packs.length) || !isWithin(count, 1, packs.length - first)) {
        throw wrong(`it names packs ${first} to ${first + count - 1} of ${packs.length}`);
      }
      for (next = first; next < first + count; next += 1) {
        numbers.push(next);
        end += packs[next]!.storedBytes + sealBytes;
        starts.push(end);
      }
    }
    if (end !== description.streamBytes) throw wrong(`its packs have ${end} bytes, not ${description.streamBytes}`);
    this.symbolBytes = symbolBytes;
    this.symbolsPerBlock = symbolsPerBlock;
    this.streamBytes = end;
    this.symbolCount = Math.ceil(end / symbolBytes);
    this.blockCount = Math.ceil(this.symbolCount / symbolsPerBlock);
    if (this.blockCount > MOST_BLOCKS)
      throw wrong(`it has ${this.blockCount} blocks, and ${MOST_BLOCKS} can be numbered`);
    this.packNumbers = numbers;
    this.#starts = Float64Array.from(starts);
  }

  get packCount(): number {
    return this.packNumbers.length;
  }

  /** A whole block; the last one of the stream may be shorter. */
  get blockBytes(): number {
    return this.symbolsPerBlock * this.symbolBytes;
  }

  packStart(pack: number): number {
    return this.#starts[pack]!;
  }

  packBytes(pack: number): number {
    return this.#starts[pack + 1]! - this.#starts[pack]!;
  }

  /** The first and the last symbol that carry bytes of `pack`; a pack is never empty. */
  symbolsOfPack(pack: number): { readonly first: number; readonly last: number } {
    return {
      first: Math.floor(this.#starts[pack]! / this.symbolBytes),
      last: Math.ceil(this.#starts[pack + 1]! / this.symbolBytes) - 1,
    };
  }

  /** The first and the last block that carry bytes of `pack`. */
  blocksOfPack(pack: number): { readonly first: number; readonly last: number } {
    const { first, last } = this.symbolsOfPack(pack);
    return { first: Math.floor(first / this.symbolsPerBlock), last: Math.floor(last / this.symbolsPerBlock) };
  }

  /** The first and the last pack that have bytes in stream bytes `from` (inclusive) to `to` (exclusive). */
  packsOfBytes(from: number, to: number): { readonly first: number; readonly last: number } {
    return { first: this.#packAt(from), last: this.#packAt(Math.min(to, this.streamBytes) - 1) };
  }

  packsOfSymbol(symbol: number): { readonly first: number; readonly last: number } {
    return this.packsOfBytes(symbol * this.symbolBytes, (symbol + 1) * this.symbolBytes);
  }

  packsOfBlock(block: number): { readonly first: number; readonly last: number } {
    return this.packsOfBytes(block * this.blockBytes, (block + 1) * this.blockBytes);
  }

  /** How many symbols of `block` are sent: all, or fewer in the last one. */
  symbolsOfBlock(block: number): number {
    return Math.min(this.symbolsPerBlock, this.symbolCount - block * this.symbolsPerBlock);
  }

  /** Who lacks more symbols of `block` is sent all of it again: there is not so much parity, or most of it is missing. */
  mostRepaired(block: number): number {
    return Math.min(this.symbolsOfBlock(block) / 2, MOST_SYMBOLS - this.symbolsPerBlock);
  }

  // Binary search for the pack that holds the stream byte `at`.
  #packAt(at: number): number {
    let low = 0;
    let high = this.packCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#starts[middle]! <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function isWithin(value: number, low: number, high: number): boolean {
  return Number.isSafeInteger(value) && value >= low && value <= high;
}

function wrong(why: string): Fault {
  return new Fault("STREAM_DESCRIPTION_WRONG", {
    what: "The server's description of the stream does not fit the image's manifest.",
    why: `By the description ${why}.`,
    fix: "Start the stream again. If that does not help, server and agent are of different versions.",
  });
}
