import { parentPort, workerData } from "node:worker_threads";
import { deflateSync } from "node:zlib";

/** The thread of `write-pool.ts`: packs one chunk after the other. */

export type CompressCodec = "zlib" | "xz";
/** `spare` is the memory that the chunk came in. */
export type CompressAnswer = { readonly spare: ArrayBuffer } & (
  | { readonly packed: Uint8Array<ArrayBuffer> }
  | { readonly problem: string }
);

/** zlib's own default; level 9 takes twice the time for about one percent. */
const ZLIB_LEVEL = 6;
const XZ_PRESET = 6;
/** How much is taken from the library at a time. */
const PIECE_BYTES = 1 << 16;

const coders: Record<CompressCodec, (bytes: Uint8Array) => Promise<Uint8Array>> = {
  zlib: async (bytes) => deflateSync(bytes, { level: ZLIB_LEVEL, chunkSize: PIECE_BYTES }),
  async xz(bytes) {
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
  },
};

async function answer(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const spare = bytes.buffer;
  try {
    // Only what is exactly its own memory can be handed over without a copy.
    const coded = await coders[workerData as CompressCodec](bytes);
    const isOwn = coded.byteLength === coded.buffer.byteLength;
    const packed = isOwn ? (coded as Uint8Array<ArrayBuffer>) : new Uint8Array(coded);
    parentPort!.postMessage({ packed, spare } satisfies CompressAnswer, [packed.buffer, spare]);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    parentPort!.postMessage({ problem, spare } satisfies CompressAnswer, [spare]);
  }
}

let work = Promise.resolve();
parentPort!.on("message", async (bytes: Uint8Array<ArrayBuffer> | undefined) => {
  if (bytes !== undefined) {
    work = answer(bytes);
    return;
  }
  // Nothing stands for the end.
  await work;
  parentPort!.close();
});
