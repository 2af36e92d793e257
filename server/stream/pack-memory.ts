/** So many pieces are kept for the next packs; a room that fetches in a hurry takes more for a while. */
const MOST_KEPT = 4;

/** Memory for packs that goes round: fresh memory for each costs more than reading it, and lies about until it is collected. */
export class PackMemory {
  readonly #pieceBytes: number;
  readonly #free: ArrayBuffer[] = [];

  /** @param pieceBytes length of the largest pack */
  constructor(pieceBytes: number) {
    this.#pieceBytes = pieceBytes;
  }

  /** What is in it is somebody else's. */
  take(lengthBytes: number): Uint8Array {
    return new Uint8Array(this.#free.pop() ?? new ArrayBuffer(this.#pieceBytes), 0, lengthBytes);
  }

  /** Nobody reads or writes it any more. */
  giveBack({ buffer }: Uint8Array): void {
    if (this.#free.length < MOST_KEPT) this.#free.push(buffer as ArrayBuffer);
  }
}
