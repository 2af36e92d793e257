import type { StreamLayout } from "./layout.ts";
import { MOST_SYMBOLS, type NumberedSymbol, ParityCodec } from "./parity.ts";

/** What became of a symbol. "no-room": the memory limit was reached; it comes again later. */
export type SymbolFate = "kept" | "not-needed" | "no-room" | "out-of-range";

/** A pack's way: waiting ► admitted ► ready ► taken, or rejected when its content was wrong. */
const State = { waiting: 0, admitted: 1, ready: 2, taken: 3, rejected: 4 } as const;

type Block = {
  readonly bytes: Uint8Array;
  readonly present: Uint8Array;
  /** How many source symbols are present. */
  held: number;
  readonly parity: NumberedSymbol[];
};

/**
 * Holds the symbols that have arrived until the packs they belong to are
 * complete, within a fixed amount of memory. When as many symbols of a block
 * are here as it has source symbols, the missing ones are computed.
 *
 * Room is promised to whole packs: a pack is admitted when all the blocks it
 * spans fit the limit, so whatever is held can always be completed, and a slow
 * disk or a heavy loss can delay a restore but not stop it. Complete packs stay
 * in their blocks until somebody takes them: that is the back-pressure.
 *
 * Packs are counted by their place in the stream (see StreamLayout).
 */
export class SymbolStore {
  readonly #layout: StreamLayout;
  readonly #codec: ParityCodec;
  readonly #maxBlocks: number;
  readonly #blocks = new Map<number, Block>();
  /** Memory of blocks that were let go, for the next ones: to make it anew for each costs more than to receive it. */
  readonly #free: Uint8Array[] = [];
  /** How many admitted or ready packs touch each block; room is reserved for the blocks that have any. */
  readonly #users: Uint32Array;
  /** How many packs that touch each block still need symbols: those that wait or are admitted. */
  readonly #needers: Uint32Array;
  #reservedBlocks = 0;
  readonly #states: Uint8Array;
  /** Symbols that an admitted pack still lacks. */
  readonly #lacking: Uint32Array;
  readonly #ready: number[] = [];
  /** The pack that was taken last. */
  #taken = new Uint8Array();
  #missingBytes: number;
  #repairedSymbols = 0;

  /** @param memoryBytes most memory for symbols; raised to what the largest pack needs */
  constructor(layout: StreamLayout, memoryBytes: number) {
    this.#layout = layout;
    this.#codec = new ParityCodec(layout.symbolsPerBlock, layout.symbolBytes);
    this.#users = new Uint32Array(layout.blockCount);
    this.#needers = new Uint32Array(layout.blockCount);
    this.#states = new Uint8Array(layout.packCount);
    this.#lacking = new Uint32Array(layout.packCount);
    this.#missingBytes = layout.streamBytes;
    let largestSpan = 1;
    for (let pack = 0; pack < layout.packCount; pack += 1) {
      const { first, last } = this.#blocksOf(pack);
      largestSpan = Math.max(largestSpan, last - first + 1);
      for (let block = first; block <= last; block += 1) this.#needers[block]! += 1;
    }
    this.#maxBlocks = Math.max(Math.floor(memoryBytes / this.#blockBytes), largestSpan);
  }

  /** Memory that holds source symbols now. */
  get heldBytes(): number {
    return this.#blocks.size * this.#blockBytes;
  }

  /** The most that `heldBytes` can become. Parity symbols come to at most as much again, and to little in practice. */
  get limitBytes(): number {
    return this.#maxBlocks * this.#blockBytes;
  }

  /** Bytes of the packs that are neither complete here nor taken; rejected ones included. */
  get missingBytes(): number {
    return this.#missingBytes;
  }

  /** Source symbols that were computed from parity. */
  get repairedSymbols(): number {
    return this.#repairedSymbols;
  }

  /** Whether a complete pack waits to be taken. */
  get hasReady(): boolean {
    return this.#ready.length > 0;
  }

  /** How many symbols, whichever, would complete `block`; 0 when nothing of it is needed. */
  lackingOf(block: number): number {
    if (this.#needers[block] === 0) return 0;
    const held = this.#blocks.get(block);
    const wanted = this.#layout.symbolsOfBlock(block);
    return held === undefined ? wanted : wanted - held.held - held.parity.length;
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
    if (this.#needers[block] === 0) return "not-needed";
    if (!this.#admitPacksOf(block)) return "no-room";
    const held = this.#blockFor(block);
    if (isParity) {
      if (held.parity.some(({ number }) => number === symbol)) return "not-needed";
      held.parity.push({ number: symbol, bytes: Uint8Array.from(payload) });
    } else {
      if (held.present[symbol] === 1) return "not-needed";
      held.bytes.set(payload, symbol * layout.symbolBytes);
      held.held += 1;
      this.#setPresent(block, held, symbol);
    }
    if (held.held + held.parity.length >= held.present.length && held.parity.length > 0) this.#repair(block, held);
    return "kept";
  }

  /** The next complete pack, as its stored bytes: they are valid until the next call. Its room is free afterwards. */
  takeReady(): { readonly pack: number; readonly bytes: Uint8Array } | undefined {
    for (let pack = this.#ready.shift(); pack !== undefined; pack = this.#ready.shift()) {
      if (this.#states[pack] !== State.ready) continue;
      const bytes = this.#assemble(pack);
      this.#release(pack);
      this.#states[pack] = State.taken;
      return { pack, bytes };
    }
    return undefined;
  }

  /** The pack came another way; what is held of it is let go. False when it was taken before. */
  takeElsewhere(pack: number): boolean {
    const state = this.#states[pack];
    if (state === State.taken) return false;
    if (state === State.waiting || state === State.admitted) this.#needsNoMore(pack);
    if (state === State.admitted || state === State.ready) this.#release(pack);
    if (state !== State.ready) this.#missingBytes -= this.#layout.packBytes(pack);
    this.#states[pack] = State.taken;
    return true;
  }

  /** The content of a taken pack was wrong: from now on it is only taken elsewhere, never from symbols. */
  reject(pack: number): void {
    if (this.#states[pack] !== State.taken) return;
    this.#states[pack] = State.rejected;
    this.#missingBytes += this.#layout.packBytes(pack);
  }

  /** The packs that are not complete, ascending; only the rejected ones when `onlyRejected`. */
  *missing(onlyRejected: boolean): Generator<number> {
    for (let pack = 0; pack < this.#states.length; pack += 1) {
      const state = this.#states[pack]!;
      if (state === State.rejected || (!onlyRejected && state <= State.admitted)) yield pack;
    }
  }

  /** True when this symbol (counted through the stream) is held, or nothing needs it any more. */
  has(number: number): boolean {
    const block = Math.floor(number / this.#layout.symbolsPerBlock);
    if (this.#blocks.get(block)?.present[number % this.#layout.symbolsPerBlock] === 1) return true;
    const packs = this.#layout.packsOfSymbol(number);
    for (let pack = packs.first; pack <= packs.last; pack += 1) {
      const state = this.#states[pack]!;
      if (state !== State.ready && state !== State.taken) return false;
    }
    return true;
  }

  get #blockBytes(): number {
    return this.#layout.symbolsPerBlock * this.#layout.symbolBytes;
  }

  #blocksOf(pack: number): { first: number; last: number } {
    const { first, last } = this.#layout.symbolsOfPack(pack);
    const perBlock = this.#layout.symbolsPerBlock;
    return { first: Math.floor(first / perBlock), last: Math.floor(last / perBlock) };
  }

  #blockFor(block: number): Block {
    let held = this.#blocks.get(block);
    if (held === undefined) {
      const symbols = this.#layout.symbolsOfBlock(block);
      const length = symbols * this.#layout.symbolBytes;
      const bytes = (length === this.#blockBytes ? this.#free.pop() : undefined) ?? new Uint8Array(length);
      held = { bytes, present: new Uint8Array(symbols), held: 0, parity: [] };
      this.#blocks.set(block, held);
    }
    return held;
  }

  // A symbol is kept as long as any pack of its block has room: all of them are needed to repair the block.
  #admitPacksOf(block: number): boolean {
    const from = block * this.#blockBytes;
    const { first, last } = this.#layout.packsOfBytes(from, from + this.#blockBytes);
    let hasRoom = false;
    for (let pack = first; pack <= last; pack += 1) {
      if (this.#states[pack] === State.waiting) this.#admit(pack);
      if (this.#states[pack] === State.admitted) hasRoom = true;
    }
    return hasRoom;
  }

  // A pack may share its first and last block with others, which may hold symbols of it already.
  #admit(pack: number): void {
    const { first, last } = this.#blocksOf(pack);
    let more = 0;
    for (let block = first; block <= last; block += 1) if (this.#users[block] === 0) more += 1;
    if (this.#reservedBlocks + more > this.#maxBlocks) return;
    this.#reservedBlocks += more;
    for (let block = first; block <= last; block += 1) this.#users[block]! += 1;
    this.#states[pack] = State.admitted;
    const symbols = this.#layout.symbolsOfPack(pack);
    let lacking = 0;
    for (let number = symbols.first; number <= symbols.last; number += 1) if (!this.#isHeld(number)) lacking += 1;
    this.#lacking[pack] = lacking;
    if (lacking === 0) this.#setReady(pack);
  }

  #isHeld(number: number): boolean {
    const block = this.#blocks.get(Math.floor(number / this.#layout.symbolsPerBlock));
    return block?.present[number % this.#layout.symbolsPerBlock] === 1;
  }

  #repair(block: number, held: Block): void {
    const missing: number[] = [];
    for (const [symbol, isPresent] of held.present.entries()) if (isPresent === 0) missing.push(symbol);
    this.#codec.decode(held.bytes, missing, held.parity);
    held.parity.length = 0;
    held.held = held.present.length;
    this.#repairedSymbols += missing.length;
    for (const symbol of missing) this.#setPresent(block, held, symbol);
  }

  #setPresent(block: number, held: Block, symbol: number): void {
    held.present[symbol] = 1;
    const packs = this.#layout.packsOfSymbol(block * this.#layout.symbolsPerBlock + symbol);
    for (let pack = packs.first; pack <= packs.last; pack += 1) {
      if (this.#states[pack] !== State.admitted) continue;
      this.#lacking[pack]! -= 1;
      if (this.#lacking[pack] === 0) this.#setReady(pack);
    }
  }

  #setReady(pack: number): void {
    this.#states[pack] = State.ready;
    this.#missingBytes -= this.#layout.packBytes(pack);
    this.#needsNoMore(pack);
    this.#ready.push(pack);
  }

  #needsNoMore(pack: number): void {
    const { first, last } = this.#blocksOf(pack);
    for (let block = first; block <= last; block += 1) this.#needers[block]! -= 1;
  }

  #release(pack: number): void {
    const { first, last } = this.#blocksOf(pack);
    for (let block = first; block <= last; block += 1) {
      this.#users[block]! -= 1;
      if (this.#users[block] !== 0) continue;
      const held = this.#blocks.get(block);
      if (held?.bytes.length === this.#blockBytes) this.#free.push(held.bytes);
      this.#blocks.delete(block);
      this.#reservedBlocks -= 1;
    }
  }

  #assemble(pack: number): Uint8Array {
    const layout = this.#layout;
    const blockBytes = this.#blockBytes;
    const length = layout.packBytes(pack);
    if (this.#taken.length < length) this.#taken = new Uint8Array(length);
    const bytes = this.#taken.subarray(0, length);
    const start = layout.packStart(pack);
    const end = start + bytes.length;
    const { first, last } = this.#blocksOf(pack);
    for (let block = first; block <= last; block += 1) {
      const from = Math.max(start, block * blockBytes);
      const to = Math.min(end, (block + 1) * blockBytes);
      const held = this.#blocks.get(block)!.bytes;
      bytes.set(held.subarray(from - block * blockBytes, to - block * blockBytes), from - start);
    }
    return bytes;
  }
}
