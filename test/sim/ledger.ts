/** What the symbols of a stream were for: each is counted when it is sent. */
export type Ledger = {
  /** Source symbols that were sent for the first time. */
  readonly firstTime: number;
  /** Further symbols that somebody lacked, in the pass and after it: what was lost has its price. */
  readonly neededInPass: number;
  readonly neededInTail: number;
  /** Further symbols of blocks that everybody had. */
  readonly neededByNobodyInPass: number;
  readonly neededByNobodyInTail: number;
  /** After that the sender waits for requests. */
  readonly canaries: { readonly inPass: number; readonly afterPass: number };
  /** When the last source symbol was sent for the first time. */
  readonly passEndedAtMs: number;
};

/** Keeps the books of one simulated stream. */
export class LedgerKeeper {
  readonly #seen: Uint8Array;
  readonly #symbolsPerBlock: number;
  #firstTime = 0;
  readonly #needed = { pass: 0, tail: 0 };
  readonly #neededByNobody = { pass: 0, tail: 0 };
  readonly #canaries = { pass: 0, tail: 0 };
  #passEndedAtMs = 0;

  constructor(symbolCount: number, symbolsPerBlock: number) {
    this.#seen = new Uint8Array(symbolCount);
    this.#symbolsPerBlock = symbolsPerBlock;
  }

  onCanary(): void {
    this.#canaries[this.#when] += 1;
  }

  /** @param isNeeded some receiver lacks a symbol of this block */
  onSymbol(block: number, symbol: number, isNeeded: boolean, now: number): void {
    const number = block * this.#symbolsPerBlock + symbol;
    if (symbol < this.#symbolsPerBlock && this.#seen[number] === 0) {
      this.#seen[number] = 1;
      this.#firstTime += 1;
      this.#passEndedAtMs = now;
      return;
    }
    (isNeeded ? this.#needed : this.#neededByNobody)[this.#when] += 1;
  }

  get #when(): "pass" | "tail" {
    return this.#firstTime === this.#seen.length ? "tail" : "pass";
  }

  get ledger(): Ledger {
    return {
      firstTime: this.#firstTime,
      neededInPass: this.#needed.pass,
      neededInTail: this.#needed.tail,
      neededByNobodyInPass: this.#neededByNobody.pass,
      neededByNobodyInTail: this.#neededByNobody.tail,
      canaries: { inPass: this.#canaries.pass, afterPass: this.#canaries.tail },
      passEndedAtMs: this.#passEndedAtMs,
    };
  }
}
