import { createRequire } from "node:module";
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { Fault } from "../../fault.ts";
import type { BlockSource } from "../../images/block.ts";
import { zstdFrames } from "../../images/zstd-frames.ts";
import { TemporaryFile, type TemporarySpace } from "./temporary-file.ts";

/** A compression around a whole file. */
export type WholeFileCodec = "gzip" | "xz" | "zstd";

export type UnpackOptions = {
  readonly space: TemporarySpace;
  /** Of the packed file. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Unpacks a whole file in one pass into a temporary one: a compressed stream
 * has no places to begin in the middle, and an image is read at its start, its
 * end, and where its file systems keep their tables.
 *
 * @throws {Fault} UNPACK_DAMAGED, UNPACK_MEMORY, ZSTD_DAMAGED, TEMPORARY_SPACE, IMAGE_EMPTY
 */
export async function unpack(
  source: BlockSource,
  codec: WholeFileCodec,
  options: UnpackOptions,
): Promise<TemporaryFile> {
  const file = await TemporaryFile.create(options.space);
  try {
    let at = 0;
    const collect = async (chunks: AsyncIterable<Uint8Array>) => {
      for await (const chunk of chunks) {
        await file.write(at, chunk);
        at += chunk.length;
      }
    };
    for await (const { startBytes, endBytes } of partsOf(source, codec)) {
      const feed = Readable.from(piecesOf(source, startBytes, endBytes, codec, options.onProgress));
      await pipeline(feed, decoderOf(codec), collect, { signal: options.signal });
    }
    await file.finish();
    if (file.sizeBytes === 0) throw emptyContent(codec);
    return file;
  } catch (error) {
    await file.close();
    throw explain(error, codec);
  }
}

/** Node's decoder of zstd stops at the end of the first frame and says nothing of the others. */
async function* partsOf(source: BlockSource, codec: WholeFileCodec) {
  if (codec === "zstd") yield* zstdFrames(source);
  else yield { startBytes: 0, endBytes: source.sizeBytes };
}

async function* piecesOf(
  source: BlockSource,
  startBytes: number,
  endBytes: number,
  codec: WholeFileCodec,
  onProgress: UnpackOptions["onProgress"],
) {
  const pieceBytes = codec === "xz" ? XZ_PIECE_BYTES : 1 << 18;
  for (let at = startBytes; at < endBytes; ) {
    // Read in large pieces, fed in small ones.
    const read = await source.read(at, Math.min(1 << 20, endBytes - at));
    for (let piece = 0; piece < read.length; piece += pieceBytes) yield read.subarray(piece, piece + pieceBytes);
    at += read.length;
    onProgress?.(at, source.sizeBytes);
  }
}

/** The library gives back at once what a piece unpacks to, up to 7000 times as much. */
const XZ_PIECE_BYTES = 4096;
/** "xz -9" takes 65 MiB. */
const XZ_MEMORY_BYTES = 80 * 2 ** 20;
/** 128 MiB; only "zstd --long=28" and above want more. */
const ZSTD_WINDOW_LOG = 27;
const OUTPUT_PIECE_BYTES = 1 << 18;

function decoderOf(codec: WholeFileCodec): Transform {
  if (codec === "gzip") return createGunzip({ chunkSize: OUTPUT_PIECE_BYTES });
  if (codec === "xz") return lzma().createDecompressor({ memlimit: XZ_MEMORY_BYTES });
  return createZstdDecompress({
    chunkSize: OUTPUT_PIECE_BYTES,
    params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG },
  });
}

type Lzma = { createDecompressor(options: { memlimit: number }): Transform };
let loadedLzma: Lzma | undefined;
/** Loaded when it is needed: it is native code. */
function lzma(): Lzma {
  loadedLzma ??= createRequire(import.meta.url)("lzma-native") as Lzma;
  return loadedLzma;
}

function explain(error: unknown, codec: WholeFileCodec): unknown {
  if (error instanceof Fault || !(error instanceof Error) || error.name === "AbortError") return error;
  const { code, message } = error as Error & { code?: unknown };
  if (code === "ZSTD_error_frameParameter_windowTooLarge" || (codec === "xz" && code === LZMA_MEMLIMIT_ERROR))
    return new Fault(
      "UNPACK_MEMORY",
      {
        what: `The ${codec} file needs too much memory to unpack.`,
        why: "It was packed with a window larger than 128 MiB (zstd) or 64 MiB (xz).",
        fix: `Unpack it by hand: "${codec === "xz" ? "xz -dk" : "zstd -d --long=31"} FILE".`,
      },
      error,
    );
  const isCut = code === "Z_BUF_ERROR" || (codec === "xz" && code === LZMA_BUF_ERROR);
  const isCodecs = typeof code === "number" || (typeof code === "string" && /^Z_|^ZSTD_/.test(code));
  if (!isCodecs) return error;
  return new Fault(
    "UNPACK_DAMAGED",
    {
      what: `The ${codec} file is ${isCut ? "cut off" : "damaged"}.`,
      why: isCut ? "It ends in the middle of its content." : `Its content does not unpack: ${message}.`,
      fix: `Copy it again; "${codec} -t FILE" checks the original.`,
    },
    error,
  );
}

const LZMA_MEMLIMIT_ERROR = 6;
const LZMA_BUF_ERROR = 10;

function emptyContent(codec: WholeFileCodec): Fault {
  return new Fault("IMAGE_EMPTY", {
    what: `The ${codec} file holds nothing.`,
    why: "It unpacks to 0 bytes.",
    fix: "Give the file that holds the disk image.",
  });
}
