/** What is taken is a multiple of this, so that one piece serves for stretches and packs of all lengths. */
const UNIT_BYTES = (1 << 20) + (1 << 12);

/** Memory that threads see, too. It is used again and again: fresh memory costs more than most of what is computed on it. */
export class SharedMemory {
  readonly #spare: SharedArrayBuffer[] = [];
  readonly #mostSpare: number;

  /** @param mostSpare pieces that are kept while nobody has them */
  constructor(mostSpare: number) {
    this.#mostSpare = mostSpare;
  }

  /** Memory with anything in it. */
  take(lengthBytes: number): Uint8Array {
    const at = this.#spare.findLastIndex((piece) => piece.byteLength >= lengthBytes);
    const [found] = at < 0 ? [] : this.#spare.splice(at, 1);
    const piece = found ?? new SharedArrayBuffer(Math.ceil(lengthBytes / UNIT_BYTES) * UNIT_BYTES);
    return new Uint8Array(piece, 0, lengthBytes);
  }

  giveBack(memory: Uint8Array): void {
    const piece = memory.buffer as unknown as SharedArrayBuffer;
    // The large ones of strange images are let go.
    if (this.#spare.length < this.#mostSpare && piece.byteLength === UNIT_BYTES) this.#spare.push(piece);
  }

  /** Lets go of what nobody has. */
  clear(): void {
    this.#spare.length = 0;
  }
}
