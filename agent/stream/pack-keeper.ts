import type { UnpackFormat } from "./pack-work.ts";
import type { PackWriter } from "./pack-writer.ts";
import type { Unpacker } from "./unpacker.ts";

/** Where a reception brings its packs. */
export type PackSink = Pick<PackWriter, "unpack" | "write" | "writeZeros" | "finish">;

/** For a reception that keeps packs as they were sent, to send them on, instead of writing what is in them to a disk. */
export type PackKeeper = {
  /** What it calls cells of a pack is the pack's stored bytes. */
  readonly sink: PackSink;
  openUnpacker(format: UnpackFormat): Unpacker;
  /** Whether this pack of the manifest is there already: it is not asked for. */
  holds(number: number): boolean;
};
