/** The part of lzma-native that is used here; it comes without types. */
declare module "lzma-native" {
  import type { Duplex } from "node:stream";

  /** Options of liblzma's stream decoder; memory in bytes. */
  export type DecoderOptions = { readonly memlimit?: number; readonly bufsize?: number };

  const lzma: {
    createStream(coder: "streamDecoder", options: DecoderOptions): Duplex;
    compress(bytes: Uint8Array, preset: number, onDone: (packed: Buffer) => void): void;
  };
  export default lzma;
}
