import { deflateSync } from "node:zlib";

/** How the chunks of a .dmg that is written are packed. */
export type CompressCodec = "zlib" | "xz";

/** zlib's own default; level 9 takes twice the time for about one percent. */
const ZLIB_LEVEL = 6;
const XZ_PRESET = 6;
/** How much is taken from the library at a time. */
const PIECE_BYTES = 1 << 16;

/** Packs one chunk on the thread that calls it; an .xz container for "xz". */
export async function compressChunk(codec: CompressCodec, bytes: Uint8Array): Promise<Uint8Array> {
  return codec === "zlib" ? deflateSync(bytes, { level: ZLIB_LEVEL, chunkSize: PIECE_BYTES }) : compressXz(bytes);
}

async function compressXz(bytes: Uint8Array): Promise<Uint8Array> {
  const { default: lzma } = await import("lzma-native");
  const encoder = lzma.createStream("streamEncoder", {
    // A chunk is never larger than its dictionary, and a larger one would only take memory.
    filters: [{ id: lzma.FILTER_LZMA2, preset: XZ_PRESET, dict_size: Math.max(4096, bytes.length) }],
    check: lzma.CHECK_CRC32,
    synchronous: true,
    bufsize: PIECE_BYTES,
  });
  encoder.end(bytes);
  const pieces: Buffer[] = [];
  for await (const piece of encoder) pieces.push(piece);
  return Buffer.concat(pieces);
}
