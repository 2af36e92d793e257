import type { BlockRepair, ReadyPack } from "../../multicast/symbol-store.ts";
import { cellsIn, type PackNames, PackWork, PLACE_BYTES, type UnpackFormat } from "./pack-work.ts";

export type { UnpackFormat } from "./pack-work.ts";

/** The cells of a pack that was right; they stay as they are until `free` is called. */
export type UnpackedPack = { readonly cells: readonly Uint8Array[]; free(): void };

/** Does the work of a reception: in another thread, or in this one. Orders are carried out one after the other. */
export type Unpacker = {
  /** How many packs can be in hands at once, from `unpack` to `free`. */
  readonly mostPacks: number;
  /** The block's missing symbols are in their places when it resolves. */
  repair(repair: BlockRepair): Promise<void>;
  /** @throws {Fault} PACK_DAMAGED, PACK_INVALID: nothing of it may be written; UNPACK_THREAD_ENDED */
  unpack(ready: ReadyPack, names: PackNames): Promise<UnpackedPack>;
  close(): Promise<void>;
};

/** Works in the thread that it is called from: for machines where no other can be started. */
export function openPlainUnpacker(format: UnpackFormat): Unpacker {
  const work = new PackWork(format);
  const place = new Uint8Array(PLACE_BYTES);
  return {
    mostPacks: 1,
    async repair({ bytes, missing, parity }) {
      work.repair(bytes, missing, parity);
    },
    async unpack({ pieces }, names) {
      const { at, length } = work.unpack(pieces, names, place);
      return { cells: cellsIn(place.subarray(at, at + length)), free: () => undefined };
    },
    close: async () => undefined,
  };
}
