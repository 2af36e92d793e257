import { ID_BYTES } from "./manifest.ts";

const EMPTY = 0xffff_ffff;

/**
 * The number of every cell id seen, in the order they were added. A hash table
 * in typed arrays: 44 bytes an id, where a Map of strings needs 200.
 */
export class CellIdTable {
  #ids = new Uint8Array(1024 * ID_BYTES);
  // Ids are SHA-256, so their first bytes are a hash already. At most half of the slots are used.
  #slots = new Uint32Array(2048).fill(EMPTY);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The number of `id`, or undefined when it was never added. */
  find(id: Uint8Array): number | undefined {
    const number = this.#slots[this.#slotOf(id)]!;
    return number === EMPTY ? undefined : number;
  }

  /** Adds an id that is not in the table yet, and returns its number. */
  add(id: Uint8Array): number {
    if (this.#count * 2 >= this.#slots.length) this.#grow();
    const number = this.#count;
    this.#ids.set(id, number * ID_BYTES);
    this.#slots[this.#slotOf(id)] = number;
    this.#count += 1;
    return number;
  }

  #slotOf(id: Uint8Array): number {
    const mask = this.#slots.length - 1;
    const hash = id[0]! | (id[1]! << 8) | (id[2]! << 16) | (id[3]! << 24);
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const number = this.#slots[slot]!;
      if (number === EMPTY || this.#isAt(number, id)) return slot;
    }
  }

  #isAt(number: number, id: Uint8Array): boolean {
    const at = number * ID_BYTES;
    for (let byte = 0; byte < ID_BYTES; byte += 1) if (this.#ids[at + byte] !== id[byte]) return false;
    return true;
  }

  #grow(): void {
    const ids = new Uint8Array(this.#ids.length * 2);
    ids.set(this.#ids);
    this.#ids = ids;
    this.#slots = new Uint32Array(this.#slots.length * 2).fill(EMPTY);
    for (let number = 0; number < this.#count; number += 1) {
      this.#slots[this.#slotOf(ids.subarray(number * ID_BYTES, (number + 1) * ID_BYTES))] = number;
    }
  }
}
