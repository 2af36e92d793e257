import type { Inventory } from "../../agent/contract.ts";

/** Characters of all texts together: a thousand machines with many disks each. */
const MOST_LETTERS = 16 * 2 ** 20;

/**
 * Inventories by their text: those of a whole room are looked at every second, and hardly one of them ever changes.
 */
export class Inventories {
  readonly #mostLetters: number;
  readonly #known = new Map<string, Inventory>();
  #letters = 0;

  constructor(mostLetters = MOST_LETTERS) {
    this.#mostLetters = mostLetters;
  }

  /** Nobody can change what it answers: all who read the same text share it. */
  read(text: string): Inventory {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const inventory = frozen(JSON.parse(text) as Inventory);
    if (this.#letters + text.length > this.#mostLetters) {
      this.#known.clear();
      this.#letters = 0;
    }
    this.#known.set(text, inventory);
    this.#letters += text.length;
    return inventory;
  }
}

function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const inner of Object.values(value)) frozen(inner);
  return Object.freeze(value);
}
