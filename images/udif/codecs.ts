import { promisify } from "node:util";
import { inflate } from "node:zlib";
import type { ChunkCodec } from "../foreign-image.ts";
import { decodeAdc } from "./adc.ts";
import { udifFault } from "./faults.ts";
import { xzPlainBytes } from "./xz-size.ts";

export type PackedCodec = Exclude<ChunkCodec, "raw">;

/**
 * Unpacks one chunk. zlib and xz run in libuv's threads, so several calls use several cores.
 *
 * @param length of the unpacked bytes, at most `MAX_CHUNK_BYTES`: no more memory is used
 * @throws {Fault} UDIF_CHUNK when it is damaged, UDIF_CODEC_LZFSE
 */
export async function decodeChunk(codec: PackedCodec, bytes: Uint8Array, length: number): Promise<Uint8Array> {
  let plain: Uint8Array | undefined;
  try {
    plain = await decoders[codec](bytes, length);
  } catch (error) {
    if (codec === "lzfse") throw error;
    throw badChunk(codec, error instanceof Error ? error.message : String(error), error);
  }
  if (plain?.length !== length) throw badChunk(codec, `it does not unpack to ${length} bytes`);
  return plain;
}

const decoders: Record<PackedCodec, (bytes: Uint8Array, length: number) => Promise<Uint8Array | undefined>> = {
  zlib: (bytes, length) =>
    // With room for more, zlib is asked only once for the whole chunk.
    inflateAsync(bytes, { chunkSize: length + 64, maxOutputLength: length + 64 }),
  adc: async (bytes, length) => decodeAdc(bytes, length),
  bzip2: async (bytes, length) => (await bzip2()).decompress(bytes, length),
  xz: decodeXz,
  lzfse: async () => {
    throw lzfse();
  },
};

const inflateAsync = promisify(inflate);

let openedBzip2: Promise<{ decompress(bytes: Uint8Array, length: number): Uint8Array }> | undefined;
function bzip2() {
  openedBzip2 ??= import("@foxglove/wasm-bz2").then(({ default: Bzip2 }) => Bzip2.init());
  return openedBzip2;
}

/** xz -9 takes 65 MiB. */
const XZ_MEMORY_BYTES = 80 * 2 ** 20;

async function decodeXz(bytes: Uint8Array, length: number): Promise<Uint8Array | undefined> {
  if (xzPlainBytes(bytes) !== length) return undefined;
  const { default: lzma } = await import("lzma-native");
  const decoder = lzma.createStream("streamDecoder", { memlimit: XZ_MEMORY_BYTES, bufsize: length + 64 });
  decoder.end(bytes);
  const pieces: Buffer[] = [];
  for await (const piece of decoder) pieces.push(piece);
  return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
}

/** Thrown before anything is read, so that nobody waits an hour for it. */
export function lzfse() {
  return udifFault(
    "UDIF_CODEC_LZFSE",
    "The .dmg is of the kind ULFO: its content is compressed with LZFSE, which bootcast does not unpack itself.",
    "No free library for it could be proved against real images.",
    'Install 7-Zip ("apt-get install 7zip") and bootcast unpacks it with 7zz; or on a Mac: "hdiutil convert FROM.dmg -format UDZO -o TO.dmg".',
  );
}

function badChunk(codec: PackedCodec, why: string, cause?: unknown) {
  return udifFault(
    "UDIF_CHUNK",
    "The .dmg is damaged: a chunk of its content cannot be unpacked.",
    `${codec}: ${why}.`,
    undefined,
    cause,
  );
}
