import { ID_BYTES, type PackEntry } from "./manifest.ts";

/**
 * The packs of one image as flat columns. The entries it hands out are views of
 * a few words each: an image of a full terabyte has a million packs.
 */
export class PackTable {
  /** 32 bytes a pack. */
  readonly digests: Uint8Array;
  readonly storedBytes: Uint32Array;
  /** One more than there are packs: pack p holds the stored cells from [p] up to [p + 1]. */
  readonly firstStored: Uint32Array;
  /** 32 bytes a stored cell. */
  readonly cellIds: Uint8Array;
  readonly entries: readonly PackEntry[];

  constructor(digests: Uint8Array, storedBytes: Uint32Array, firstStored: Uint32Array, cellIds: Uint8Array) {
    this.digests = digests;
    this.storedBytes = storedBytes;
    this.firstStored = firstStored;
    this.cellIds = cellIds;
    this.entries = Array.from(storedBytes, (_, pack) => new PackRow(this, pack));
  }

  /** Lays out packs that were made one by one. */
  static of(packs: readonly { digest: string; storedBytes: number; cellIds: Uint8Array }[]): PackTable {
    const firstStored = new Uint32Array(packs.length + 1);
    for (const [pack, { cellIds }] of packs.entries())
      firstStored[pack + 1] = firstStored[pack]! + cellIds.length / ID_BYTES;
    const digests = new Uint8Array(packs.length * ID_BYTES);
    const ids = new Uint8Array(firstStored[packs.length]! * ID_BYTES);
    for (const [pack, { digest, cellIds }] of packs.entries()) {
      digests.set(Buffer.from(digest, "hex"), pack * ID_BYTES);
      ids.set(cellIds, firstStored[pack]! * ID_BYTES);
    }
    return new PackTable(
      digests,
      Uint32Array.from(packs, (pack) => pack.storedBytes),
      firstStored,
      ids,
    );
  }
}

class PackRow implements PackEntry {
  readonly #table: PackTable;
  readonly #pack: number;

  constructor(table: PackTable, pack: number) {
    this.#table = table;
    this.#pack = pack;
  }

  get digest(): string {
    const { buffer, byteOffset } = this.#table.digests;
    return Buffer.from(buffer, byteOffset + this.#pack * ID_BYTES, ID_BYTES).toString("hex");
  }

  get storedBytes(): number {
    return this.#table.storedBytes[this.#pack]!;
  }

  get firstStored(): number {
    return this.#table.firstStored[this.#pack]!;
  }

  get cellIds(): Uint8Array {
    const { firstStored, cellIds } = this.#table;
    return cellIds.subarray(firstStored[this.#pack]! * ID_BYTES, firstStored[this.#pack + 1]! * ID_BYTES);
  }
}
