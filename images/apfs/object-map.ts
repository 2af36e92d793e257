import { expect } from "../free-space/volume.ts";
import { type Blocks, isWhole, numberAt } from "./object.ts";
import { recordsIn } from "./tree.ts";

/** Where a numbered object is: omap_val_t. */
export type ObjectPlace = { readonly transaction: number; readonly block: number; readonly flags: number };

/** omap_phys_t */
export const objectMapAt = { flags: 32, snapshots: 36, tree: 48, newestSnapshot: 64, revert: 72 } as const;
/** OMAP_VAL_DELETED: from this transaction on it is nowhere. */
const DELETED = 0x1;

/** Says where the objects are that move, each in its newest state. */
export class ObjectMap {
  readonly #blocks: Blocks;
  /** omap_phys_t */
  readonly header: Buffer;
  readonly treeBlock: number;

  private constructor(blocks: Blocks, header: Buffer) {
    this.#blocks = blocks;
    this.header = header;
    this.treeBlock = numberAt(header, objectMapAt.tree);
  }

  /** @throws {Implausible} */
  static async open(blocks: Blocks, block: number): Promise<ObjectMap> {
    const header = await blocks.read(block);
    expect(isWhole(header), "its map of objects is damaged");
    return new ObjectMap(blocks, header);
  }

  /** @throws {Implausible} when it is nowhere */
  async find(id: number): Promise<ObjectPlace> {
    const tree = { rootBlock: this.treeBlock, blockOf: async (child: number) => child };
    let newest: ObjectPlace | undefined;
    for await (const { key, value } of recordsIn(this.#blocks, tree, (bytes) => numberAt(bytes, 0) - id)) {
      expect(key.length >= 16 && value.length >= 16, "its map of objects is damaged");
      const transaction = numberAt(key, 8);
      if (newest === undefined || transaction > newest.transaction)
        newest = { transaction, block: numberAt(value, 8), flags: value.readUInt32LE(0) };
    }
    expect(newest !== undefined && (newest.flags & DELETED) === 0, `its object ${id} is nowhere`);
    return newest;
  }
}
