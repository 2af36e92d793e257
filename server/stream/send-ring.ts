/** Places in a ring's control words. */
const Word = { written: 0, sent: 1, refused: 2, isClosing: 3, rate: 4 } as const;

/** The rate is a number of so many bytes per second: 32 bits hold every rate that can be asked for. */
const RATE_UNIT = 100;

/** A thread that waits looks so often whether it is still wanted. */
const LOOK_MS = 500;

/** What two threads share of a ring. */
export type RingMemory = { readonly control: SharedArrayBuffer; readonly data: SharedArrayBuffer };

/**
 * Datagrams of one length on their way from one thread to another, in shared memory: one thread writes, one sends.
 * Those that wait lie end to end, but where the ring ends.
 */
export class SendRing {
  readonly memory: RingMemory;
  readonly #control: Int32Array;
  readonly #capacity: number;
  /** A view of each place: a new one for each datagram would cost more than writing it. */
  readonly #places: readonly Uint8Array[];

  constructor(memory: RingMemory, datagramBytes: number) {
    this.memory = memory;
    this.#control = new Int32Array(memory.control);
    const capacity = memory.data.byteLength / datagramBytes;
    this.#capacity = capacity;
    this.#places = Array.from(
      { length: capacity },
      (_, place) => new Uint8Array(memory.data, place * datagramBytes, datagramBytes),
    );
  }

  static create(capacity: number, datagramBytes: number): SendRing {
    const memory = {
      control: new SharedArrayBuffer(Object.keys(Word).length * 4),
      data: new SharedArrayBuffer(capacity * datagramBytes),
    };
    return new SendRing(memory, datagramBytes);
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** How many datagrams wait to be sent. */
  get waiting(): number {
    return (Atomics.load(this.#control, Word.written) - Atomics.load(this.#control, Word.sent)) | 0;
  }

  get refused(): number {
    return Atomics.load(this.#control, Word.refused);
  }

  get isClosing(): boolean {
    return Atomics.load(this.#control, Word.isClosing) === 1;
  }

  /** Bytes per second on the wire that the thread sends at. */
  get rateBytesPerSecond(): number {
    return Atomics.load(this.#control, Word.rate) * RATE_UNIT;
  }

  /** The thread goes by it at once, also when it waits for its next datagram's time. */
  set rateBytesPerSecond(rate: number) {
    Atomics.store(this.#control, Word.rate, Math.max(1, Math.floor(rate / RATE_UNIT)));
    Atomics.notify(this.#control, Word.isClosing);
  }

  /** Writes `count` datagrams, one after the other; only when there is room for so many. */
  add(count: number, write: (bytes: Uint8Array, at: number) => void): void {
    const written = Atomics.load(this.#control, Word.written);
    for (let at = 0; at < count; at += 1) write(this.datagram(written + at), at);
    Atomics.store(this.#control, Word.written, (written + count) | 0);
    Atomics.notify(this.#control, Word.written);
  }

  close(): void {
    Atomics.store(this.#control, Word.isClosing, 1);
    Atomics.notify(this.#control, Word.isClosing);
    Atomics.notify(this.#control, Word.written);
  }

  /** For the thread that sends: the number of the first that waits, and how many behind it lie end to end. */
  first(): { readonly number: number; readonly place: number; readonly count: number } {
    const number = Atomics.load(this.#control, Word.sent);
    const place = this.#placeOf(number);
    return { number, place, count: Math.min(this.waiting, this.#capacity - place) };
  }

  /** The bytes of datagram `number`; numbers wrap. */
  datagram(number: number): Uint8Array {
    return this.#places[this.#placeOf(number)]!;
  }

  /** For the thread that sends: `count` have left, of which `refused` did not get far. */
  onSent(count: number, refused: number): void {
    Atomics.add(this.#control, Word.sent, count);
    if (refused > 0) Atomics.add(this.#control, Word.refused, refused);
  }

  /** For the thread that sends: blocks it until something waits, or it is to close, or half a second is over. */
  awaitDatagram(): void {
    const written = Atomics.load(this.#control, Word.written);
    if (this.waiting > 0 || this.isClosing) return;
    Atomics.wait(this.#control, Word.written, written, LOOK_MS);
  }

  /** For the thread that sends: blocks it so long, or until the rate changes. */
  nap(ms: number): void {
    Atomics.wait(this.#control, Word.isClosing, 0, ms);
  }

  // The capacity is a power of two, so that numbers may wrap.
  #placeOf(number: number): number {
    return number & (this.#capacity - 1);
  }
}
