type Entry = { readonly bytes: Promise<Uint8Array>; readonly lengthBytes: number };

/**
 * The chunks that were unpacked last, and those under way. Several are
 * unpacked at the same time, the others wait in the order in which they were asked for.
 */
export class ChunkCache {
  readonly #decode: (index: number) => Promise<Uint8Array>;
  readonly #capacityBytes: number;
  readonly #mostAtOnce: number;
  readonly #waiting: (() => void)[] = [];
  /** The one used last is the last entry. */
  readonly #entries = new Map<number, Entry>();
  #keptBytes = 0;
  #running = 0;

  /**
   * @param decode reads and unpacks the chunk with this index
   * @param options.capacityBytes of unpacked chunks that are kept; the newest one always is
   */
  constructor(
    decode: (index: number) => Promise<Uint8Array>,
    options: { readonly capacityBytes: number; readonly mostAtOnce: number },
  ) {
    this.#decode = decode;
    this.#capacityBytes = options.capacityBytes;
    this.#mostAtOnce = options.mostAtOnce;
  }

  /** The chunk; one that failed is tried again the next time. */
  get(index: number, lengthBytes: number): Promise<Uint8Array> {
    const known = this.#entries.get(index);
    if (known !== undefined) {
      this.#entries.delete(index);
      this.#entries.set(index, known);
      return known.bytes;
    }
    const bytes = this.#inTurn(index);
    const entry = { bytes, lengthBytes };
    this.#entries.set(index, entry);
    this.#keptBytes += lengthBytes;
    bytes.catch(() => this.#forget(index, entry));
    for (const [oldest, kept] of this.#entries) {
      if (this.#keptBytes <= this.#capacityBytes || kept === entry) break;
      this.#forget(oldest, kept);
    }
    return bytes;
  }

  async #inTurn(index: number): Promise<Uint8Array> {
    if (this.#running >= this.#mostAtOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      return await this.#decode(index);
    } finally {
      // The turn goes straight to the next one.
      const next = this.#waiting.shift();
      if (next !== undefined) next();
      else this.#running -= 1;
    }
  }

  #forget(index: number, entry: Entry): void {
    if (this.#entries.get(index) !== entry) return;
    this.#entries.delete(index);
    this.#keptBytes -= entry.lengthBytes;
  }
}
