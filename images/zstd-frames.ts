import { Fault } from "../fault.ts";
import type { BlockSource } from "./block.ts";

/** One frame of a .zst file; it unpacks without the others. */
export type ZstdFrame = {
  readonly startBytes: number;
  readonly endBytes: number;
  /** What it unpacks to, where it says so. */
  readonly contentBytes: number | undefined;
};

const MAGIC = 0xfd2fb528;
/** Sixteen magics; the frame holds a table or a comment, and no content (RFC 8878, 3.1.2). */
const SKIPPABLE_MAGIC = 0x184d2a50;
const MAX_HEADER_BYTES = 18;
const MAX_BLOCK_BYTES = 1 << 17;

/**
 * The frames of a .zst file, ascending, without those that hold no content.
 * Only the headers of frames and blocks are read (RFC 8878, 3.1.1). A file of
 * several frames comes from `pzstd`, from `cat`, and from tools for random access.
 *
 * @throws {Fault} ZSTD_DAMAGED
 */
export async function* zstdFrames(source: BlockSource): AsyncGenerator<ZstdFrame> {
  const { sizeBytes } = source;
  const headers = new HeaderReader(source);
  for (let at = 0; at < sizeBytes; ) {
    const header = await headers.read(at, MAX_HEADER_BYTES);
    if (header.byteLength < 8) throw damaged(`At byte ${at} there is no room for a frame.`);
    if ((header.getUint32(0, true) & ~0xf) >>> 0 === SKIPPABLE_MAGIC) {
      at += 8 + header.getUint32(4, true);
      if (at > sizeBytes) throw truncated(at, sizeBytes);
      continue;
    }
    if (header.getUint32(0, true) !== MAGIC)
      throw damaged(`At byte ${at} no frame begins, and the one before has ended.`);
    const { headerBytes, contentBytes, hasChecksum } = decodeHeader(header);
    const startBytes = at;
    at += headerBytes;
    for (let isLast = false; !isLast; ) {
      const block = await headers.read(at, 3);
      if (block.byteLength < 3) throw truncated(at + 3, sizeBytes);
      const value = block.getUint8(0) | (block.getUint8(1) << 8) | (block.getUint8(2) << 16);
      isLast = (value & 1) === 1;
      const kind = (value >> 1) & 3;
      const size = value >> 3;
      if (kind === 3 || (kind !== 1 && size > MAX_BLOCK_BYTES))
        throw damaged(`At byte ${at} there is no block of zstd.`);
      // A block of one repeated byte is one byte long.
      at += 3 + (kind === 1 ? 1 : size);
    }
    at += hasChecksum ? 4 : 0;
    if (at > sizeBytes) throw truncated(at, sizeBytes);
    yield { startBytes, endBytes: at, contentBytes };
  }
}

function decodeHeader(header: DataView): { headerBytes: number; contentBytes?: number; hasChecksum: boolean } {
  const descriptor = header.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const sizeAt = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  const headerBytes = sizeAt + sizeBytes;
  if (headerBytes > header.byteLength) throw damaged("The header of a frame is cut off.");
  const hasChecksum = (descriptor & 4) !== 0;
  if (sizeBytes === 0) return { headerBytes, hasChecksum };
  const contentBytes =
    sizeBytes === 1
      ? header.getUint8(sizeAt)
      : sizeBytes === 2
        ? header.getUint16(sizeAt, true) + 256
        : sizeBytes === 4
          ? header.getUint32(sizeAt, true)
          : Number(header.getBigUint64(sizeAt, true));
  return { headerBytes, contentBytes, hasChecksum };
}

const WINDOW_BYTES = 1 << 16;

/** Small reads at ascending places, from larger ones where that saves some. */
class HeaderReader {
  readonly #source: BlockSource;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(source: BlockSource) {
    this.#source = source;
  }

  /** Fewer bytes at the end of the file. */
  async read(at: number, length: number): Promise<DataView> {
    const end = Math.min(at + length, this.#source.sizeBytes);
    if (at >= end) return new DataView(new ArrayBuffer(0));
    if (at < this.#start || end > this.#start + this.#bytes.length) {
      this.#start = at;
      this.#bytes = await this.#source.read(at, Math.min(WINDOW_BYTES, this.#source.sizeBytes - at));
    }
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at - this.#start, end - at);
  }
}

function damaged(why: string): Fault {
  return new Fault("ZSTD_DAMAGED", {
    what: "The .zst file is damaged.",
    why,
    fix: 'Copy it again; "zstd -t FILE" checks the original.',
  });
}

function truncated(expectedBytes: number, sizeBytes: number): Fault {
  return new Fault("ZSTD_DAMAGED", {
    what: "The .zst file is cut off.",
    why: `It should have at least ${expectedBytes} bytes, and it has ${sizeBytes}.`,
    fix: 'Copy it again; "zstd -t FILE" checks the original.',
  });
}
