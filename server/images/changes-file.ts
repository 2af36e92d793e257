import type { BlockSource, BlockTarget } from "../../images/block.ts";
import { OverlaySource } from "../../images/overlay-source.ts";
import { TemporaryFile, type TemporarySpace } from "./temporary-file.ts";

/** A disk that can be written to while its source stays as it is; what was written is gone when it is closed. */
export type ChangeableDisk = { readonly disk: OverlaySource; close(): Promise<void> };

/** Puts a temporary file over a disk that takes what is written. @throws {Fault} TEMPORARY_SPACE */
export async function changeable(base: BlockSource, space: TemporarySpace = {}): Promise<ChangeableDisk> {
  const file = await TemporaryFile.create(space);
  const changes: BlockSource & BlockTarget = {
    sizeBytes: base.sizeBytes,
    read: (offset, length) => file.read(offset, length),
    write: (offset, bytes) => file.overwrite(offset, bytes),
    // Nothing of it is to survive.
    flush: async () => undefined,
  };
  return { disk: new OverlaySource(base, changes), close: () => file.close() };
}
