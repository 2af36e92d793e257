/** The part of lzma-native that is used here; it comes without types. */
declare module "lzma-native" {
  import type { Duplex } from "node:stream";

  /** Options of liblzma's stream decoder; memory in bytes. */
  export type DecoderOptions = { readonly memlimit?: number; readonly bufsize?: number };

  /** Options of liblzma's encoder of .xz; `synchronous` packs on the calling thread. */
  export type EncoderOptions = {
    readonly filters: readonly { readonly id: string; readonly preset: number; readonly dict_size: number }[];
    readonly check: number;
    readonly synchronous: boolean;
    readonly bufsize: number;
  };

  const lzma: {
    readonly FILTER_LZMA2: string;
    readonly CHECK_CRC32: number;
    createStream(coder: "streamDecoder", options: DecoderOptions): Duplex;
    createStream(coder: "streamEncoder", options: EncoderOptions): Duplex;
    compress(bytes: Uint8Array, preset: number, onDone: (packed: Buffer) => void): void;
  };
  export default lzma;
}
