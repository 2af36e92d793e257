import type { BlockSource } from "../block.ts";
import type { VolumeLayout } from "./layout.ts";

/** Reads a part of an entry's content; all of it is there. */
export type ReadContent = (entry: number, offset: number, lengthBytes: number) => Promise<Uint8Array>;

/**
 * The contents of a new volume at their places, read when they are asked for;
 * everything else is zero.
 */
export class VolumeContent implements BlockSource {
  readonly sizeBytes: number;
  readonly #layout: VolumeLayout;
  readonly #readContent: ReadContent;

  constructor(layout: VolumeLayout, sizeBytes: number, readContent: ReadContent) {
    this.#layout = layout;
    this.sizeBytes = sizeBytes;
    this.#readContent = readContent;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.alloc(length);
    for (const { entry, offset: from, atBytes, lengthBytes } of this.#layout.contentsIn(offset, offset + length))
      bytes.set(await this.#readContent(entry, from, lengthBytes), atBytes - offset);
    return bytes;
  }
}
