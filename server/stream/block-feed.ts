import type { Manifest } from "../../images/manifest.ts";
import type { PackReader } from "../../images/pack-reader.ts";
import type { StreamLayout } from "../../multicast/layout.ts";

/** Blocks that are read before they are sent: 1.4 MB, so that a disk may take its time. */
const BLOCKS_AHEAD = 8;

/** The content of a stream's blocks, read from the packs a little ahead of the sender. */
export class BlockFeed {
  readonly #layout: StreamLayout;
  readonly #manifest: Manifest;
  readonly #packs: PackReader;
  readonly #blocks = new Map<number, Promise<Uint8Array>>();
  #reading: Promise<unknown> = Promise.resolve();
  /** The pack read last: it usually goes on in the next block. */
  #last: { readonly pack: number; readonly bytes: Uint8Array } | undefined;

  constructor(layout: StreamLayout, manifest: Manifest, packs: PackReader) {
    this.#layout = layout;
    this.#manifest = manifest;
    this.#packs = packs;
  }

  /**
   * The bytes of `block`: whole symbols, the last one of the stream filled up with zeros.
   * Blocks are asked for in order, again and again, and round the end.
   */
  block(block: number): Promise<Uint8Array> {
    const wanted = new Set<number>();
    for (let ahead = 0; ahead <= BLOCKS_AHEAD; ahead += 1) wanted.add((block + ahead) % this.#layout.blockCount);
    for (const held of this.#blocks.keys()) if (!wanted.has(held)) this.#blocks.delete(held);
    for (const next of wanted) if (!this.#blocks.has(next)) this.#blocks.set(next, this.#read(next));
    return this.#blocks.get(block)!;
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
    const bytes = new Uint8Array(layout.symbolsOfBlock(block) * layout.symbolBytes);
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
    const bytes = await this.#packs.read(this.#manifest.packs[number]!, number);
    this.#last = { pack, bytes };
    return bytes;
  }
}
