/** The part of lzma-native that is used here; it comes without types. */
declare module "lzma-native" {
  /** Options of liblzma's stream decoder; memory in bytes. */
  export type DecoderOptions = { readonly memlimit?: number; readonly bufsize?: number };

  /** Options of liblzma's encoder of .xz; `synchronous` packs on the calling thread. */
  export type EncoderOptions = {
    readonly filters: readonly { readonly id: string; readonly preset: number; readonly dict_size: number }[];
    readonly check: number;
    readonly synchronous: boolean;
    readonly bufsize: number;
  };

  /** What is used of its streams. */
  export type Coder = AsyncIterable<Buffer> & { end(bytes: Uint8Array): void };

  const lzma: {
    readonly FILTER_LZMA2: string;
    readonly CHECK_CRC32: number;
    createStream(coder: "streamDecoder", options: DecoderOptions): Coder;
    createStream(coder: "streamEncoder", options: EncoderOptions): Coder;
    compress(bytes: Uint8Array, preset: number, onDone: (packed: Buffer) => void): void;
  };
  export default lzma;
}
