import type { Manifest } from "../../images/manifest.ts";
import { type PackReader, readPackInto } from "../../images/pack-reader.ts";
import type { StreamLayout } from "../../multicast/layout.ts";

/** What is read before it is sent: 50 ms at 700 Mbit/s, so that a disk may take its time. */
const AHEAD_BYTES = 4_500_000;
/** What is kept after it was sent, for repairs: more than a second at 12 MB/s. What is older is read again. */
const KEPT_BYTES = 16_000_000;

/** The content of a stream's blocks, read from the packs a little ahead of the sender, and kept for its repairs. */
export class BlockFeed {
  readonly #layout: StreamLayout;
  readonly #manifest: Manifest;
  readonly #packs: PackReader;
  readonly #blocksAhead: number;
  readonly #blocksKept: number;
  readonly #blocks = new Map<number, Promise<Uint8Array>>();
  /** Memory of blocks that were let go, for the next ones. */
  readonly #free: ArrayBuffer[] = [];
  #reading: Promise<unknown> = Promise.resolve();
  /** The pack read last: it usually goes on in the next block. */
  #last: { readonly pack: number; readonly bytes: Uint8Array } | undefined;
  /** The packs are read into it, one after the other. */
  #packMemory = new ArrayBuffer(0);

  constructor(layout: StreamLayout, manifest: Manifest, packs: PackReader) {
    this.#layout = layout;
    this.#manifest = manifest;
    this.#packs = packs;
    const blockBytes = layout.symbolsPerBlock * layout.symbolBytes;
    this.#blocksAhead = Math.ceil(AHEAD_BYTES / blockBytes);
    this.#blocksKept = Math.ceil(KEPT_BYTES / blockBytes);
  }

  /**
   * The bytes of a block that is sent now: whole symbols, the last one of the stream filled up with zeros.
   * The next blocks of the stream are read ahead.
   */
  block(block: number): Promise<Uint8Array> {
    const last = Math.min(block + this.#blocksAhead, this.#layout.blockCount - 1);
    for (let next = block; next <= last; next += 1) void this.#hold(next);
    return this.#blocks.get(block)!;
  }

  /** The bytes of a block that was sent before: kept, or read again. */
  again(block: number): Promise<Uint8Array> {
    return this.#hold(block);
  }

  /** Nothing more is sent: a stream that is over stays known for a while, and its blocks need not. */
  close(): void {
    this.#blocks.clear();
    this.#free.length = 0;
    this.#last = undefined;
    this.#packMemory = new ArrayBuffer(0);
  }

  // A Map goes by age: what is used is put to its end, and its beginning is let go.
  #hold(block: number): Promise<Uint8Array> {
    const held = this.#blocks.get(block) ?? this.#read(block);
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
      ({ buffer }) => this.#free.push(buffer as ArrayBuffer),
      () => undefined,
    );
  }

  // One after the other, so that each can use the last pack of the one before.
  #read(block: number): Promise<Uint8Array> {
    const read = this.#reading.then(() => this.#assemble(block));
    // Whoever asks for the block gets the error; until then it is not unhandled.
    this.#reading = read.catch(() => undefined);
    return read;
  }

  async #assemble(block: number): Promise<Uint8Array> {
    const layout = this.#layout;
    const from = block * layout.symbolsPerBlock * layout.symbolBytes;
    const length = layout.symbolsOfBlock(block) * layout.symbolBytes;
    // A new view each time: who remembers the old one by its identity must not take this for the same block.
    const bytes = new Uint8Array(
      this.#free.pop() ?? new ArrayBuffer(layout.symbolsPerBlock * layout.symbolBytes),
      0,
      length,
    );
    bytes.fill(0, Math.max(0, layout.streamBytes - from));
    const { first, last } = layout.packsOfBytes(from, from + bytes.length);
    for (let pack = first; pack <= last; pack += 1) {
      const stored = await this.#readPack(pack);
      const start = layout.packStart(pack);
      const skipped = Math.max(0, from - start);
      bytes.set(stored.subarray(skipped, from + bytes.length - start), Math.max(0, start - from));
    }
    return bytes;
  }

  async #readPack(pack: number): Promise<Uint8Array> {
    if (this.#last?.pack === pack) return this.#last.bytes;
    const number = this.#layout.packNumbers[pack]!;
    this.#last = undefined;
    const bytes = this.#packView(this.#layout.packBytes(pack));
    await readPackInto(this.#packs, this.#manifest.packs[number]!, number, bytes);
    this.#last = { pack, bytes };
    return bytes;
  }

  // Fresh memory for each pack would cost more than reading it: its pages, and that it has to be found again.
  #packView(lengthBytes: number): Uint8Array {
    if (this.#packMemory.byteLength < lengthBytes) this.#packMemory = new ArrayBuffer(lengthBytes);
    return new Uint8Array(this.#packMemory, 0, lengthBytes);
  }
}
