import { BlockRoom } from "./block-room.ts";
import type { StreamLayout } from "./layout.ts";
import { PackLedger } from "./pack-ledger.ts";
import { MOST_SYMBOLS } from "./parity.ts";

/** What became of a symbol. "no-room": the memory limit was reached; it comes again later. */
export type SymbolFate = "kept" | "not-needed" | "no-room" | "out-of-range";

/** A complete pack: its stored bytes, end to end in these pieces of the store's memory. */
export type ReadyPack = { readonly pack: number; readonly pieces: readonly Uint8Array[] };

/**
 * A block of which enough symbols arrived: `ParityCodec.decode` computes the missing ones, in their places. Until then
 * parity symbol `parity[n]` lies in the place of source symbol `missing[n]`.
 */
export type BlockRepair = {
  readonly block: number;
  readonly bytes: Uint8Array;
  readonly missing: readonly number[];
  readonly parity: readonly number[];
};

/**
 * Holds the symbols that have arrived until the packs they belong to are
 * complete, within a fixed amount of memory. When as many symbols of a block
 * are here as it has source symbols, it can be repaired: the store says so and
 * is told when it was done, because that takes long and others can do it.
 *
 * Room is promised to whole packs: a pack is admitted when all the blocks it
 * spans fit the limit, so whatever is held can always be completed, and a slow
 * disk or a heavy loss can delay a restore but not stop it. Complete packs stay
 * in their blocks until somebody took them and let go: that is the back-pressure.
 *
 * Packs are counted by their place in the stream (see StreamLayout).
 */
export class SymbolStore {
  readonly #layout: StreamLayout;
  /** Used by the packs that have room, and by repairs. */
  readonly #room: BlockRoom;
  readonly #packs: PackLedger;
  /** Blocks that can be repaired. */
  readonly #repairable: number[] = [];
  #repairedSymbols = 0;

  /**
   * @param memoryBytes most memory for symbols; raised to what the largest pack needs
   * @param newMemory makes it: shared memory, when other threads are to repair and read it
   */
  constructor(layout: StreamLayout, memoryBytes: number, newMemory: (bytes: number) => Uint8Array = newBytes) {
    this.#layout = layout;
    this.#packs = new PackLedger(layout);
    let largestSpan = 1;
    for (let pack = 0; pack < layout.packCount; pack += 1) {
      const { first, last } = layout.blocksOfPack(pack);
      largestSpan = Math.max(largestSpan, last - first + 1);
    }
    const maxBlocks = Math.max(Math.floor(memoryBytes / layout.blockBytes), largestSpan);
    this.#room = new BlockRoom(layout, Math.min(maxBlocks, Math.max(1, layout.blockCount)), newMemory);
  }

  /** Where all symbols lie: pieces and blocks are views into it. */
  get memory(): Uint8Array {
    return this.#room.memory;
  }

  /** Memory that holds symbols now. */
  get heldBytes(): number {
    return this.#room.heldBytes;
  }

  /** The most that `heldBytes` can become. */
  get limitBytes(): number {
    return this.#room.limitBytes;
  }

  /** Bytes of the packs that are neither complete here nor taken; rejected ones included. */
  get missingBytes(): number {
    return this.#packs.missingBytes;
  }

  /** Source symbols that were computed from parity. */
  get repairedSymbols(): number {
    return this.#repairedSymbols;
  }

  /** Whether a complete pack waits to be taken. */
  get hasReady(): boolean {
    return this.#packs.hasReady;
  }

  /** Whether a block waits to be repaired. */
  get hasRepair(): boolean {
    return this.#repairable.length > 0;
  }

  /** How many symbols, whichever, would complete `block`; 0 when nothing of it is needed. */
  lackingOf(block: number): number {
    if (!this.#packs.needs(block)) return 0;
    return this.#layout.symbolsOfBlock(block) - (this.#room.get(block)?.symbols.count ?? 0);
  }

  /** Whether symbols of `block` would be kept now. */
  hasRoomFor(block: number): boolean {
    return this.#admitPacksOf(block);
  }

  /** @param symbol number in its block: a source symbol, or from `symbolsPerBlock` on a parity symbol */
  add(block: number, symbol: number, payload: Uint8Array): SymbolFate {
    const layout = this.#layout;
    if (block >= layout.blockCount || symbol >= MOST_SYMBOLS) return "out-of-range";
    const isParity = symbol >= layout.symbolsPerBlock;
    if (!isParity && symbol >= layout.symbolsOfBlock(block)) return "out-of-range";
    if (!this.#packs.needs(block)) return "not-needed";
    let held = this.#room.get(block);
    if (held === undefined || held.mayWait) {
      // Where a block has memory already, its symbols are kept: the packs that wait may get room when the others go.
      if (!this.#admitPacksOf(block) && held === undefined) return "no-room";
      held ??= this.#room.hold(block);
      held.mayWait = this.#hasWaiting(block);
    }
    const { symbols } = held;
    // It is being repaired, or is about to be.
    if (symbols.isFull) return "not-needed";
    if (isParity) {
      if (!symbols.addParity(symbol, payload)) return "not-needed";
    } else {
      if (!symbols.addSource(symbol, payload)) return "not-needed";
      this.#setPresent(block, symbol);
    }
    if (symbols.isFull && symbols.missing.length > 0) {
      this.#room.useToo(block);
      this.#repairable.push(block);
    }
    return "kept";
  }

  /** The next block to repair. Its bytes are the caller's until `onRepaired`. */
  takeRepair(): BlockRepair | undefined {
    const block = this.#repairable.shift();
    if (block === undefined) return undefined;
    const { bytes, missing, parity } = this.#room.get(block)!.symbols;
    return { block, bytes, missing, parity };
  }

  /**
   * All source symbols of the block are in their places now.
   *
   * @returns true when the block is needed again: a pack of it was rejected meanwhile, so what it was computed from is
   * not believed any more
   */
  onRepaired(block: number): boolean {
    const held = this.#room.get(block)!;
    const { symbols } = held;
    if (held.isDoubted) {
      held.isDoubted = false;
      symbols.clear();
      this.#room.leave(block);
      return this.#packs.needs(block);
    }
    const computed = [...symbols.missing];
    symbols.onRepaired();
    for (const symbol of computed) this.#setPresent(block, symbol);
    this.#repairedSymbols += computed.length;
    this.#room.leave(block);
    return false;
  }

  /** The next complete pack. Its pieces stay as they are, and its room is not free, until `release`. */
  takeReady(): ReadyPack | undefined {
    const pack = this.#packs.takeReady();
    return pack === undefined ? undefined : { pack, pieces: this.#piecesOf(pack) };
  }

  /** The pieces of a pack that was taken are not used any more. */
  release(pack: number): void {
    if (this.#packs.release(pack)) this.#leaveBlocksOf(pack);
  }

  /** The pack came another way; what is held of it is let go. False when it was taken before. */
  takeElsewhere(pack: number): boolean {
    const taken = this.#packs.takeElsewhere(pack);
    if (taken?.hadRoom) this.#leaveBlocksOf(pack);
    return taken !== undefined;
  }

  /**
   * The content of a taken pack was wrong. Nothing of its blocks is believed any more, because nobody knows which
   * symbol it was. The second time it is only taken elsewhere from now on.
   *
   * @returns the blocks that are needed again; one that is being repaired only when that was done, see `onRepaired`
   */
  reject(pack: number): readonly number[] {
    this.release(pack);
    if (!this.#packs.onWrong(pack)) return [];
    const again: number[] = [];
    const { first, last } = this.#layout.blocksOfPack(pack);
    for (let block = first; block <= last; block += 1) {
      this.#clear(block);
      if (this.#packs.needs(block)) again.push(block);
    }
    return again;
  }

  /** The packs that are not complete, ascending; only the rejected ones when `onlyRejected`. */
  missing(onlyRejected: boolean): Generator<number> {
    return this.#packs.missing(onlyRejected);
  }

  /** True when this symbol (counted through the stream) is held or can be computed, or nothing needs it any more. */
  has(number: number): boolean {
    const { symbolsPerBlock } = this.#layout;
    const symbols = this.#room.get(Math.floor(number / symbolsPerBlock))?.symbols;
    if (symbols?.isFull || symbols?.hasSource(number % symbolsPerBlock)) return true;
    const packs = this.#layout.packsOfSymbol(number);
    for (let pack = packs.first; pack <= packs.last; pack += 1) if (!this.#packs.isComplete(pack)) return false;
    return true;
  }

  // Packs that are complete, or in hands, are checked by themselves; whoever still collects begins anew.
  #clear(block: number): void {
    const held = this.#room.get(block);
    if (held === undefined) return;
    held.mayWait = true;
    if (held.isDoubted) return;
    const { symbolsPerBlock } = this.#layout;
    for (let symbol = 0; symbol < this.#layout.symbolsOfBlock(block); symbol += 1) {
      if (!held.symbols.hasSource(symbol)) continue;
      const packs = this.#layout.packsOfSymbol(block * symbolsPerBlock + symbol);
      for (let other = packs.first; other <= packs.last; other += 1) this.#packs.onSymbolLost(other);
    }
    // While it is being repaired its memory is in other hands.
    held.isDoubted = held.symbols.isFull && held.symbols.missing.length > 0;
    if (!held.isDoubted) held.symbols.clear();
  }

  // A symbol is kept as long as any pack of its block has room: all of them are needed to repair the block.
  #admitPacksOf(block: number): boolean {
    const { first, last } = this.#layout.packsOfBlock(block);
    let hasRoom = false;
    for (let pack = first; pack <= last; pack += 1) {
      if (this.#packs.isWaiting(pack)) this.#admit(pack);
      if (this.#packs.isAdmitted(pack)) hasRoom = true;
    }
    return hasRoom;
  }

  #hasWaiting(block: number): boolean {
    const { first, last } = this.#layout.packsOfBlock(block);
    for (let pack = first; pack <= last; pack += 1) if (this.#packs.isWaiting(pack)) return true;
    return false;
  }

  // A pack may share its first and last block with others, which may hold symbols of it already.
  #admit(pack: number): void {
    const { first, last } = this.#layout.blocksOfPack(pack);
    if (!this.#room.useAll(first, last)) return;
    const symbols = this.#layout.symbolsOfPack(pack);
    let lacking = 0;
    for (let number = symbols.first; number <= symbols.last; number += 1) if (!this.#isHeld(number)) lacking += 1;
    this.#packs.admit(pack, lacking);
  }

  #isHeld(number: number): boolean {
    const { symbolsPerBlock } = this.#layout;
    const held = this.#room.get(Math.floor(number / symbolsPerBlock));
    return held !== undefined && !held.isDoubted && held.symbols.hasSource(number % symbolsPerBlock);
  }

  #setPresent(block: number, symbol: number): void {
    const packs = this.#layout.packsOfSymbol(block * this.#layout.symbolsPerBlock + symbol);
    for (let pack = packs.first; pack <= packs.last; pack += 1) this.#packs.onSymbol(pack);
  }

  #leaveBlocksOf(pack: number): void {
    const { first, last } = this.#layout.blocksOfPack(pack);
    for (let block = first + 1; block < last; block += 1) this.#room.leave(block);
    for (const block of first === last ? [first] : [first, last]) {
      // Another pack that got no room so far may have symbols in it: now there may be some, and they are not lost.
      if (this.#room.usersOf(block) === 1 && this.#packs.needs(block)) this.#admitPacksOf(block);
      this.#room.leave(block);
    }
  }

  #piecesOf(pack: number): Uint8Array[] {
    const { blockBytes } = this.#layout;
    const start = this.#layout.packStart(pack);
    const end = start + this.#layout.packBytes(pack);
    const { first, last } = this.#layout.blocksOfPack(pack);
    const pieces: Uint8Array[] = [];
    for (let block = first; block <= last; block += 1) {
      const from = Math.max(start - block * blockBytes, 0);
      pieces.push(this.#room.get(block)!.symbols.bytes.subarray(from, Math.min(end - block * blockBytes, blockBytes)));
    }
    return pieces;
  }
}

function newBytes(bytes: number): Uint8Array {
  return new Uint8Array(bytes);
}
