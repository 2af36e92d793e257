import { HeldBlock } from "./held-block.ts";
import type { StreamLayout } from "./layout.ts";

/** A block of which something is held. */
export type RoomBlock = {
  readonly symbols: HeldBlock;
  /** Where its memory begins, counted in blocks. */
  readonly slot: number;
  /** Some packs of it may not have been promised room yet. */
  mayWait: boolean;
  /** It is being repaired, from symbols that are not believed any more. */
  isDoubted: boolean;
};

/**
 * The fixed memory that blocks are held in. Room is promised to runs of blocks as a whole; a block has one place from
 * its first symbol until the last user has left it.
 */
export class BlockRoom {
  readonly #layout: StreamLayout;
  /** All blocks that fit. A part that was never used costs nothing. */
  readonly memory: Uint8Array;
  readonly #maxBlocks: number;
  readonly #blocks = new Map<number, RoomBlock>();
  /** Places in the memory that blocks have left, the last one first: so it is not larger than what was held at once. */
  readonly #freeSlots: number[] = [];
  #slotsUsed = 0;
  /** How many use each block; room is reserved for the blocks that anybody uses. */
  readonly #users: Uint16Array;
  #reservedBlocks = 0;

  /**
   * @param maxBlocks so many can be held at once
   * @param newMemory makes the memory
   */
  constructor(layout: StreamLayout, maxBlocks: number, newMemory: (bytes: number) => Uint8Array) {
    this.#layout = layout;
    this.#maxBlocks = maxBlocks;
    this.#users = new Uint16Array(layout.blockCount);
    this.memory = newMemory(maxBlocks * layout.blockBytes);
  }

  /** Memory that holds symbols now. */
  get heldBytes(): number {
    return this.#blocks.size * this.#layout.blockBytes;
  }

  /** The most that `heldBytes` can become. */
  get limitBytes(): number {
    return this.#maxBlocks * this.#layout.blockBytes;
  }

  /** Undefined when nothing of the block is held. */
  get(block: number): RoomBlock | undefined {
    return this.#blocks.get(block);
  }

  usersOf(block: number): number {
    return this.#users[block]!;
  }

  /** One more uses each of these blocks. False when they do not all fit beside the others: then none is used. */
  useAll(first: number, last: number): boolean {
    let more = 0;
    for (let block = first; block <= last; block += 1) if (this.#users[block] === 0) more += 1;
    if (this.#reservedBlocks + more > this.#maxBlocks) return false;
    this.#reservedBlocks += more;
    for (let block = first; block <= last; block += 1) this.#users[block]! += 1;
    return true;
  }

  /** One more uses a block that is used already. */
  useToo(block: number): void {
    this.#users[block]! += 1;
  }

  /** One less uses it; with the last one all that is held of it is let go. */
  leave(block: number): void {
    this.#users[block]! -= 1;
    if (this.#users[block] !== 0) return;
    const held = this.#blocks.get(block);
    if (held !== undefined) this.#freeSlots.push(held.slot);
    this.#blocks.delete(block);
    this.#reservedBlocks -= 1;
  }

  /** Gives a block its place; only one that is used and has none. */
  hold(block: number): RoomBlock {
    const slot = this.#freeSlots.pop() ?? this.#slotsUsed++;
    const { symbolBytes, blockBytes } = this.#layout;
    const from = slot * blockBytes;
    const bytes = this.memory.subarray(from, from + this.#layout.symbolsOfBlock(block) * symbolBytes);
    const held: RoomBlock = { slot, symbols: new HeldBlock(bytes, symbolBytes), mayWait: true, isDoubted: false };
    this.#blocks.set(block, held);
    return held;
  }
}
