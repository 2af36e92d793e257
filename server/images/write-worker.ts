import { parentPort, workerData } from "node:worker_threads";
import { deflateSync } from "node:zlib";

/** The thread of `write-pool.ts`: packs one chunk after the other. */

export type CompressCodec = "zlib" | "xz";
export type CompressAnswer = Uint8Array | { readonly problem: string };

/** zlib's own default; level 9 takes twice the time for about one percent. */
const ZLIB_LEVEL = 6;
const XZ_PRESET = 6;

const coders: Record<CompressCodec, (bytes: Uint8Array) => Promise<Uint8Array>> = {
  // With room for all of it, zlib is asked only once for the whole chunk.
  zlib: async (bytes) => deflateSync(bytes, { level: ZLIB_LEVEL, chunkSize: bytes.length + 65536 }),
  async xz(bytes) {
    const { default: lzma } = await import("lzma-native");
    const encoder = lzma.createStream("streamEncoder", {
      // A chunk is never larger than its dictionary, and a larger one would only take memory.
      filters: [{ id: lzma.FILTER_LZMA2, preset: XZ_PRESET, dict_size: Math.max(4096, bytes.length) }],
      check: lzma.CHECK_CRC32,
      synchronous: true,
      bufsize: bytes.length + 65536,
    });
    encoder.end(bytes);
    const pieces: Buffer[] = [];
    for await (const piece of encoder) pieces.push(piece);
    return Buffer.concat(pieces);
  },
};

async function answerTo(bytes: Uint8Array): Promise<CompressAnswer> {
  try {
    return await coders[workerData as CompressCodec](bytes);
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

parentPort!.on("message", async (bytes: Uint8Array) => {
  const answer = await answerTo(bytes);
  // Only what is exactly its own memory can be handed over without a copy.
  if (answer instanceof Uint8Array) {
    const packed = new Uint8Array(answer);
    parentPort!.postMessage(packed, [packed.buffer]);
  } else parentPort!.postMessage(answer);
});
