/** What is in the place of a source symbol. */
const Place = { nothing: 0, source: 1, parity: 2 } as const;

/**
 * The symbols of one block that have arrived, in the memory of the block itself: a parity symbol lies in the place of a
 * source symbol that is not there yet. So a block needs no more than its own length, whatever arrives.
 */
export class HeldBlock {
  /** Source symbols end to end, in their places. */
  readonly bytes: Uint8Array;
  readonly #symbolBytes: number;
  /** A `Place` for each source symbol. */
  readonly #places: Uint8Array;
  /** The numbers of the parity symbols that are held, and whose places they lie in. */
  readonly #parity: number[] = [];
  readonly #parityPlaces: number[] = [];
  #count = 0;

  /** @param bytes whole symbols, as many as the block has source symbols */
  constructor(bytes: Uint8Array, symbolBytes: number) {
    this.bytes = bytes;
    this.#symbolBytes = symbolBytes;
    this.#places = new Uint8Array(bytes.length / symbolBytes);
  }

  /** Symbols that are held, of both kinds. */
  get count(): number {
    return this.#count;
  }

  /** As many symbols are here as the block has source symbols: no more is taken. */
  get isFull(): boolean {
    return this.#count === this.#places.length;
  }

  /** Source symbols whose places hold parity. When the block is full, these can be computed. */
  get missing(): readonly number[] {
    return this.#parityPlaces;
  }

  /** The number of the parity symbol in the place of each of `missing`. */
  get parity(): readonly number[] {
    return this.#parity;
  }

  hasSource(symbol: number): boolean {
    return this.#places[symbol] === Place.source;
  }

  /** Only while it is not full. False when it has it already. */
  addSource(symbol: number, payload: Uint8Array): boolean {
    if (this.#places[symbol] === Place.source) return false;
    if (this.#places[symbol] === Place.parity) this.#moveParity(symbol);
    this.bytes.set(payload, symbol * this.#symbolBytes);
    this.#places[symbol] = Place.source;
    this.#count += 1;
    return true;
  }

  /** Only while it is not full. False when it has it already. */
  addParity(number: number, payload: Uint8Array): boolean {
    if (this.#parity.includes(number)) return false;
    const place = this.#places.indexOf(Place.nothing);
    this.bytes.set(payload, place * this.#symbolBytes);
    this.#places[place] = Place.parity;
    this.#parity.push(number);
    this.#parityPlaces.push(place);
    this.#count += 1;
    return true;
  }

  /** Nothing of it is believed any more. */
  clear(): void {
    this.#places.fill(Place.nothing);
    this.#parity.length = 0;
    this.#parityPlaces.length = 0;
    this.#count = 0;
  }

  /** The missing source symbols are in their places now. */
  onRepaired(): void {
    this.#places.fill(Place.source);
    this.#parity.length = 0;
    this.#parityPlaces.length = 0;
  }

  // It is not full, so there is a place.
  #moveParity(from: number): void {
    const to = this.#places.indexOf(Place.nothing);
    this.bytes.copyWithin(to * this.#symbolBytes, from * this.#symbolBytes, (from + 1) * this.#symbolBytes);
    this.#places[to] = Place.parity;
    this.#parityPlaces[this.#parityPlaces.indexOf(from)] = to;
  }
}
