import type { Manifest } from "../../images/manifest.ts";
import { type PackReader, readPackInto } from "../../images/pack-reader.ts";
import type { StreamLayout } from "../../multicast/layout.ts";

/** What is read before it is sent: 50 ms at 700 Mbit/s, so that a disk may take its time. */
const AHEAD_BYTES = 4_500_000;
/** What is kept after it was sent, for repairs: a second at 12 MB/s, and what is asked for meanwhile at 87. What is older is read again. */
const KEPT_BYTES = 12_000_000;

/** A block, and the pack whose memory it lies in, if it does not have its own. */
type HeldBlock = { readonly bytes: Uint8Array; readonly within?: HeldPack };
/** A pack that was read, and how many use its memory: blocks, and the feed itself for the pack read last. */
type HeldPack = { readonly pack: number; readonly bytes: Uint8Array; users: number };

/**
 * The content of a stream's blocks, read from the packs a little ahead of the sender, and kept for its repairs.
 *
 * A block within one pack is a view of it: three of four, which need not be copied. Fresh memory for each pack would
 * cost more than reading it, so that of packs and blocks which nobody uses any more goes round.
 */
export class BlockFeed {
  readonly #layout: StreamLayout;
  readonly #manifest: Manifest;
  readonly #packs: PackReader;
  readonly #blocksAhead: number;
  readonly #blocksKept: number;
  /** So many packs may have blocks in them; where blocks lie far apart each would hold a whole pack. */
  readonly #mostPacks: number;
  readonly #blocks = new Map<number, Promise<HeldBlock>>();
  readonly #freeBlocks: ArrayBuffer[] = [];
  readonly #freePacks: ArrayBuffer[] = [];
  readonly #packBytes: number;
  #packsHeld = 0;
  #reading: Promise<unknown> = Promise.resolve();
  /** The pack read last: it usually goes on in the next block. */
  #last: HeldPack | undefined;

  constructor(layout: StreamLayout, manifest: Manifest, packs: PackReader) {
    this.#layout = layout;
    this.#manifest = manifest;
    this.#packs = packs;
    const blockBytes = layout.symbolsPerBlock * layout.symbolBytes;
    this.#blocksAhead = Math.ceil(AHEAD_BYTES / blockBytes);
    this.#blocksKept = Math.ceil(KEPT_BYTES / blockBytes);
    let packBytes = 1;
    for (let pack = 0; pack < layout.packCount; pack += 1) packBytes = Math.max(packBytes, layout.packBytes(pack));
    this.#packBytes = packBytes;
    this.#mostPacks = Math.ceil((AHEAD_BYTES + KEPT_BYTES) / packBytes) + 2;
  }

  /**
   * The bytes of a block that is sent now: whole symbols, the last one of the stream filled up with zeros.
   * The next blocks of the stream are read ahead.
   */
  async block(block: number): Promise<Uint8Array> {
    const last = Math.min(block + this.#blocksAhead, this.#layout.blockCount - 1);
    for (let next = block; next <= last; next += 1) void this.#hold(next, true);
    return (await this.#blocks.get(block)!).bytes;
  }

  /** The bytes of a block that was sent before: kept, or read again. */
  async again(block: number): Promise<Uint8Array> {
    return (await this.#hold(block, false)).bytes;
  }

  /** Nothing more is sent: a stream that is over stays known for a while, and its blocks need not. */
  close(): void {
    this.#blocks.clear();
    this.#freeBlocks.length = 0;
    this.#freePacks.length = 0;
    this.#last = undefined;
  }

  // A Map goes by age: what is used is put to its end, and its beginning is let go.
  #hold(block: number, isOfPass: boolean): Promise<HeldBlock> {
    const held = this.#blocks.get(block) ?? this.#read(block, isOfPass);
    this.#blocks.delete(block);
    this.#blocks.set(block, held);
    if (this.#blocks.size > this.#blocksAhead + this.#blocksKept) this.#letGo();
    return held;
  }

  // Nobody sends from the oldest one any more: what is sent from was used last.
  #letGo(): void {
    const [block, oldest] = this.#blocks.entries().next().value!;
    this.#blocks.delete(block);
    oldest.then(
      ({ bytes, within }) => {
        if (within === undefined) this.#freeBlocks.push(bytes.buffer as ArrayBuffer);
        else this.#leave(within);
      },
      () => undefined,
    );
  }

  // One after the other, so that each can use the last pack of the one before.
  #read(block: number, isOfPass: boolean): Promise<HeldBlock> {
    const read = this.#reading.then(() => this.#assemble(block, isOfPass));
    // Whoever asks for the block gets the error; until then it is not unhandled.
    this.#reading = read.catch(() => undefined);
    return read;
  }

  // What is read again is copied: it would hold a whole pack, whose other blocks nobody asks for.
  // A new view each time: who remembers the old one by its identity must not take this for the same block.
  async #assemble(block: number, isOfPass: boolean): Promise<HeldBlock> {
    const layout = this.#layout;
    const from = block * layout.symbolsPerBlock * layout.symbolBytes;
    const end = from + layout.symbolsOfBlock(block) * layout.symbolBytes;
    const { first, last } = layout.packsOfBytes(from, end);
    if (isOfPass && first === last && end <= layout.streamBytes) {
      const held = await this.#readPack(first);
      if (this.#packsHeld <= this.#mostPacks) {
        held.users += 1;
        const start = from - layout.packStart(first);
        return { bytes: held.bytes.subarray(start, start + end - from), within: held };
      }
    }
    const blockBytes = layout.symbolsPerBlock * layout.symbolBytes;
    const bytes = new Uint8Array(this.#freeBlocks.pop() ?? new ArrayBuffer(blockBytes), 0, end - from);
    bytes.fill(0, Math.max(0, layout.streamBytes - from));
    for (let pack = first; pack <= last; pack += 1) {
      const { bytes: stored } = await this.#readPack(pack);
      const start = layout.packStart(pack);
      bytes.set(stored.subarray(Math.max(0, from - start), end - start), Math.max(0, start - from));
    }
    return { bytes };
  }

  async #readPack(pack: number): Promise<HeldPack> {
    const before = this.#last;
    if (before?.pack === pack) return before;
    this.#last = undefined;
    if (before !== undefined) this.#leave(before);
    const memory = this.#freePacks.pop() ?? new ArrayBuffer(this.#packBytes);
    const held: HeldPack = { pack, bytes: new Uint8Array(memory, 0, this.#layout.packBytes(pack)), users: 1 };
    this.#packsHeld += 1;
    const number = this.#layout.packNumbers[pack]!;
    try {
      await readPackInto(this.#packs, this.#manifest.packs[number]!, number, held.bytes);
    } catch (error) {
      this.#leave(held);
      throw error;
    }
    this.#last = held;
    return held;
  }

  #leave(held: HeldPack): void {
    held.users -= 1;
    if (held.users > 0) return;
    this.#packsHeld -= 1;
    this.#freePacks.push(held.bytes.buffer as ArrayBuffer);
  }
}
