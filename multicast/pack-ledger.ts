import type { StreamLayout } from "./layout.ts";

/** A pack's way: waiting ► admitted ► ready ► taken ► gone; waiting again, or rejected, when its content was wrong. */
const State = { waiting: 0, admitted: 1, ready: 2, taken: 3, gone: 4, rejected: 5 } as const;

/** A pack that was wrong so often is never taken from symbols again: somebody forges them. */
const MOST_WRONG = 2;

/**
 * How far each pack of a stream is, and what it still lacks. Packs are counted by their place in the stream. It holds no
 * symbols: see SymbolStore.
 */
export class PackLedger {
  readonly #layout: StreamLayout;
  readonly #states: Uint8Array;
  /** How often each pack was wrong. */
  readonly #wrongTimes: Uint8Array;
  /** Symbols that an admitted pack still lacks. */
  readonly #lacking: Uint32Array;
  /** How many packs that touch each block still need symbols: those that wait or are admitted. */
  readonly #needers: Uint16Array;
  readonly #ready: number[] = [];
  #missingBytes: number;

  constructor(layout: StreamLayout) {
    this.#layout = layout;
    this.#states = new Uint8Array(layout.packCount);
    this.#wrongTimes = new Uint8Array(layout.packCount);
    this.#lacking = new Uint32Array(layout.packCount);
    this.#needers = new Uint16Array(layout.blockCount);
    this.#missingBytes = layout.streamBytes;
    for (let pack = 0; pack < layout.packCount; pack += 1) this.#addNeeder(pack, 1);
  }

  /** Bytes of the packs that are neither complete nor taken; rejected ones included. */
  get missingBytes(): number {
    return this.#missingBytes;
  }

  /** Whether a complete pack waits to be taken. */
  get hasReady(): boolean {
    return this.#ready.length > 0;
  }

  /** Whether some pack still needs symbols of the block. */
  needs(block: number): boolean {
    return this.#needers[block]! > 0;
  }

  /** No room was promised to it yet. */
  isWaiting(pack: number): boolean {
    return this.#states[pack] === State.waiting;
  }

  /** It has room, and collects symbols. */
  isAdmitted(pack: number): boolean {
    return this.#states[pack] === State.admitted;
  }

  /** It is complete, here or elsewhere, and needs no symbol. */
  isComplete(pack: number): boolean {
    const state = this.#states[pack]!;
    return state >= State.ready && state !== State.rejected;
  }

  /** A pack that waited has room from now on. @param lacking symbols that are not held yet */
  admit(pack: number, lacking: number): void {
    this.#states[pack] = State.admitted;
    this.#lacking[pack] = lacking;
    if (lacking === 0) this.#setReady(pack);
  }

  /** One of its symbols is there. Nothing happens when it is not admitted. */
  onSymbol(pack: number): void {
    if (this.#states[pack] !== State.admitted) return;
    this.#lacking[pack]! -= 1;
    if (this.#lacking[pack] === 0) this.#setReady(pack);
  }

  /** One of its symbols that was there is not believed any more. Nothing happens when it is not admitted. */
  onSymbolLost(pack: number): void {
    if (this.#states[pack] === State.admitted) this.#lacking[pack]! += 1;
  }

  /** The next complete pack; it is taken from now on. */
  takeReady(): number | undefined {
    for (let pack = this.#ready.shift(); pack !== undefined; pack = this.#ready.shift()) {
      if (this.#states[pack] !== State.ready) continue;
      this.#states[pack] = State.taken;
      return pack;
    }
    return undefined;
  }

  /** False when it was not taken. */
  release(pack: number): boolean {
    if (this.#states[pack] !== State.taken) return false;
    this.#states[pack] = State.gone;
    return true;
  }

  /**
   * It came another way.
   *
   * @returns whether it had room; undefined when it was taken before
   */
  takeElsewhere(pack: number): { readonly hadRoom: boolean } | undefined {
    const state = this.#states[pack];
    if (state === State.taken || state === State.gone) return undefined;
    if (state === State.waiting || state === State.admitted) this.#addNeeder(pack, -1);
    if (state !== State.ready) this.#missingBytes -= this.#layout.packBytes(pack);
    this.#states[pack] = State.gone;
    return { hadRoom: state === State.admitted || state === State.ready };
  }

  /**
   * The content of a pack that was released is wrong: it waits again, or is rejected the second time.
   *
   * @returns false when it was not released
   */
  onWrong(pack: number): boolean {
    if (this.#states[pack] !== State.gone) return false;
    this.#missingBytes += this.#layout.packBytes(pack);
    this.#wrongTimes[pack]! += 1;
    const isPoisoned = this.#wrongTimes[pack]! >= MOST_WRONG;
    this.#states[pack] = isPoisoned ? State.rejected : State.waiting;
    if (!isPoisoned) this.#addNeeder(pack, 1);
    return true;
  }

  /** The packs that are not complete, ascending; only the rejected ones when `onlyRejected`. */
  *missing(onlyRejected: boolean): Generator<number> {
    for (let pack = 0; pack < this.#states.length; pack += 1) {
      const state = this.#states[pack]!;
      if (state === State.rejected || (!onlyRejected && state <= State.admitted)) yield pack;
    }
  }

  #setReady(pack: number): void {
    this.#states[pack] = State.ready;
    this.#missingBytes -= this.#layout.packBytes(pack);
    this.#addNeeder(pack, -1);
    this.#ready.push(pack);
  }

  #addNeeder(pack: number, change: 1 | -1): void {
    const { first, last } = this.#layout.blocksOfPack(pack);
    for (let block = first; block <= last; block += 1) this.#needers[block]! += change;
  }
}
