import { createHash } from "node:crypto";
import { constants, createZstdCompress, type ZstdOptions, zstdDecompressSync } from "node:zlib";
import { Fault } from "../fault.ts";
import { CELL_BYTES, CELLS_PER_PACK, cellId } from "./cell.ts";
import { freeMemory } from "./free-memory.ts";
import { ID_BYTES, type PackEntry } from "./manifest.ts";

/**
 * A pack: the unit that is stored and sent. All numbers big-endian.
 *
 *    0  magic "bootpack"
 *    8  u16  format version, 1
 *   10  u8   codec of the body: 0 as it is, 1 one zstd frame
 *   11  u8   flags, 0
 *   12  u32  number of cells, 1…16
 *   16  u32  plain length of the body: every cell 64 KiB, the last one may be shorter
 *   20  u32  stored length of the body
 *   24  16 bytes, 0 (kept for a nonce)
 *   40  the cells' ids, 32 bytes each
 *       the body
 *
 * Its name is the SHA-256 of all these bytes.
 */
const MAGIC = Buffer.from("bootpack", "latin1");
const VERSION = 1;
export const PACK_HEADER_BYTES = 40;
const RESERVED_AT = 24;

/** With so much room to spare zlib knows that the end was reached, and does not ask again. */
const ROOM_BYTES = 4096;

/** Larger windows than this are refused, so that a pack cannot make a reader allocate much. 8 MiB. */
const WINDOW_LOG_MAX = 23;

export type PackCodec = "stored" | "zstd";
const codecNumbers = { stored: 0, zstd: 1 } as const;

/** No pack of `cells` cells is longer: a body that does not shrink is stored as it is. */
export function maxPackBytes(cells: number): number {
  return PACK_HEADER_BYTES + cells * (ID_BYTES + CELL_BYTES);
}

/** No pack is longer than this. */
export const MAX_PACK_BYTES = maxPackBytes(CELLS_PER_PACK);

export type EncodedPack = {
  readonly digest: string;
  readonly bytes: Uint8Array;
  readonly cellIds: Uint8Array;
};

export type PackOptions = {
  /** The ids, 32 bytes each, when the caller has them already. */
  readonly cellIds?: Uint8Array;
  /**
   * zstd's level, 3 unless told. Measured on 300 MiB of Debian's /usr: level 1 takes 0.63 of its time and is 10 % larger,
   * level 6 takes 2.8 times as long and is 5 % smaller; one stream of zstd -3, as partclone is piped into, is 0.7 % smaller.
   */
  readonly level?: number;
  /** Gives the memory that the pack is put into; fresh memory unless told. */
  readonly memory?: (lengthBytes: number) => Uint8Array;
};

/**
 * Makes a pack of 1…16 cells, each 64 KiB long; only the last may be shorter.
 * zstd runs in libuv's threads, wherever this is called: its synchronous call ends a frame in another way, and a disk
 * that is captured would become other packs than one that is imported. A body that does not shrink is stored as it is.
 */
export async function encodePack(
  cells: readonly Uint8Array[],
  codec: PackCodec,
  options: PackOptions = {},
): Promise<EncodedPack> {
  if (codec === "stored") return packOf(cells, undefined, options);
  const plain = joined(cells);
  return packOf(cells, await compress(plain, zstdOptions(plain, options)), options);
}

/** As zlib's own call does it, but in the pieces that it makes: these can be freed once they are copied. */
function compress(plain: Uint8Array, options: ZstdOptions): Promise<Uint8Array[]> {
  return new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = [];
    const stream = createZstdCompress(options);
    stream.on("data", (piece: Uint8Array) => pieces.push(piece));
    stream.on("error", reject);
    stream.on("end", () => resolve(pieces));
    stream.end(plain);
  });
}

/** @param frame the cells' zstd frame; not used when it is not shorter than they are */
function packOf(
  cells: readonly Uint8Array[],
  frame: readonly Uint8Array[] | undefined,
  options: PackOptions,
): EncodedPack {
  const cellIds = options.cellIds ?? Buffer.concat(cells.map(cellId));
  const plainBytes = lengthOf(cells);
  const isPacked = frame !== undefined && lengthOf(frame) < plainBytes;
  const body = isPacked ? frame : cells;
  const bodyAt = packBodyAt(cells.length);
  const length = bodyAt + lengthOf(body);
  const memory = options.memory?.(length) ?? Buffer.allocUnsafeSlow(length);
  const bytes = Buffer.from(memory.buffer, memory.byteOffset, length);
  writePackHead(bytes, { codec: isPacked ? "zstd" : "stored", cellIds, plainBytes });
  let at = bodyAt;
  for (const part of body) {
    bytes.set(part, at);
    at += part.length;
  }
  for (const piece of frame ?? []) freeMemory(piece);
  return { digest: packDigest(bytes), bytes, cellIds };
}

/** Where the body of a pack of `cells` cells begins. */
export function packBodyAt(cells: number): number {
  return PACK_HEADER_BYTES + cells * ID_BYTES;
}

/** Writes all of a pack but its body. @param bytes as long as the pack */
export function writePackHead(
  bytes: Uint8Array,
  head: { readonly codec: PackCodec; readonly cellIds: Uint8Array; readonly plainBytes: number },
): void {
  const { codec, cellIds, plainBytes } = head;
  const pack = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const cells = cellIds.length / ID_BYTES;
  pack.fill(0, 0, PACK_HEADER_BYTES);
  MAGIC.copy(pack);
  pack.writeUInt16BE(VERSION, 8);
  pack.writeUInt8(codecNumbers[codec], 10);
  pack.writeUInt32BE(cells, 12);
  pack.writeUInt32BE(plainBytes, 16);
  pack.writeUInt32BE(pack.length - packBodyAt(cells), 20);
  pack.set(cellIds, PACK_HEADER_BYTES);
}

function zstdOptions(plain: Uint8Array, { level = 3 }: PackOptions): ZstdOptions {
  return {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    pledgedSrcSize: plain.length,
    // Room for all of it at once: with the default of 16 KiB the threads meet 64 times a pack, and it takes twice the time.
    chunkSize: plain.length + ROOM_BYTES,
  };
}

/** One view of cells that lie side by side in memory, as those of one stretch of the disk do; else a copy. */
function joined(cells: readonly Uint8Array[]): Uint8Array {
  const [first] = cells;
  let end = first?.byteOffset;
  for (const { buffer, byteOffset, length } of cells) {
    if (buffer !== first!.buffer || byteOffset !== end) return Buffer.concat(cells);
    end += length;
  }
  return first === undefined ? Buffer.alloc(0) : new Uint8Array(first.buffer, first.byteOffset, lengthOf(cells));
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

/** A pack's name: the SHA-256 of its stored bytes, lower-case hex. */
export function packDigest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * The ids that a pack says its cells have, from the front of its bytes: `PACK_HEADER_BYTES` and the ids are enough.
 * Whether it holds them is told by `decodePack`.
 *
 * @throws {Fault} PACK_INVALID when it does not begin as a pack
 */
export function packCellIds(bytes: Uint8Array): Uint8Array {
  const front = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const isPack = front.length >= PACK_HEADER_BYTES && front.subarray(0, MAGIC.length).equals(MAGIC);
  const count = isPack ? front.readUInt32BE(12) : 0;
  const endsAt = PACK_HEADER_BYTES + count * ID_BYTES;
  if (count < 1 || count > CELLS_PER_PACK || front.length < endsAt) throw invalid("", "it does not begin as one");
  return bytes.subarray(PACK_HEADER_BYTES, endsAt);
}

/** So many bytes of the front of a pack hold the ids of all of its cells, however many they are. */
export const PACK_FRONT_BYTES = PACK_HEADER_BYTES + CELLS_PER_PACK * ID_BYTES;

/**
 * The plain cells of a pack, every one checked against its id in the manifest.
 * Nothing of a pack may be used before this returned.
 *
 * @throws {Fault} PACK_DAMAGED when the bytes are not those that the manifest names;
 *   PACK_INVALID when they are, but break the rules above
 */
export function decodePack(bytes: Uint8Array, entry: Pick<PackEntry, "digest" | "cellIds">): Uint8Array[] {
  if (bytes.length > MAX_PACK_BYTES || packDigest(bytes) !== entry.digest) throw damaged(entry.digest, bytes.length);
  const pack = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = entry.cellIds.length / ID_BYTES;
  const bodyAt = PACK_HEADER_BYTES + entry.cellIds.length;
  const rule = (holds: boolean, text: string) => {
    if (!holds) throw invalid(entry.digest, text);
  };
  rule(pack.length > bodyAt, "it is shorter than its own header");
  rule(pack.subarray(0, MAGIC.length).equals(MAGIC), "it does not begin as a pack");
  rule(pack.readUInt16BE(8) === VERSION, `its format version is ${pack.readUInt16BE(8)}`);
  rule(pack.readUInt8(11) === 0, "it uses flags that do not exist");
  rule(count >= 1 && count <= CELLS_PER_PACK, `the manifest gives it ${count} cells`);
  rule(pack.readUInt32BE(12) === count, "it has another number of cells than the manifest says");
  rule(isReservedZero(pack), "it uses reserved bytes");
  rule(pack.subarray(PACK_HEADER_BYTES, bodyAt).equals(entry.cellIds), "it holds other cells than the manifest says");
  const plainBytes = pack.readUInt32BE(16);
  rule(plainBytes > (count - 1) * CELL_BYTES && plainBytes <= count * CELL_BYTES, "its plain length is impossible");
  rule(pack.readUInt32BE(20) === pack.length - bodyAt, "its body has another length than it says");
  const codec = pack.readUInt8(10);
  rule(codec === codecNumbers.stored || codec === codecNumbers.zstd, `its codec ${codec} is unknown`);
  const body = pack.subarray(bodyAt);
  const plain = codec === codecNumbers.zstd ? decompress(body, plainBytes, entry.digest) : body;
  rule(plain.length === plainBytes, "its plain length is not what it says");
  const cells: Uint8Array[] = [];
  for (let index = 0; index < count; index += 1) {
    const cell = plain.subarray(index * CELL_BYTES, (index + 1) * CELL_BYTES);
    const id = entry.cellIds.subarray(index * ID_BYTES, (index + 1) * ID_BYTES);
    rule(Buffer.compare(cellId(cell), id) === 0, `the content of its cell ${index} is not what the cell's name says`);
    cells.push(cell);
  }
  return cells;
}

function decompress(frame: Uint8Array, plainBytes: number, digest: string): Uint8Array {
  try {
    return zstdDecompressSync(frame, {
      maxOutputLength: plainBytes,
      chunkSize: plainBytes + ROOM_BYTES,
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
    });
  } catch (cause) {
    throw invalid(digest, "its zstd frame cannot be read", cause);
  }
}

function isReservedZero(pack: Buffer): boolean {
  return pack.subarray(RESERVED_AT, PACK_HEADER_BYTES).every((byte) => byte === 0);
}

function damaged(digest: string, length: number): Fault {
  return new Fault("PACK_DAMAGED", {
    what: `Pack ${digest} is damaged.`,
    why: `The ${length} bytes read do not have the SHA-256 that the signed manifest names.`,
    fix: 'Check the store with "bootcast image verify NAME"; a damaged pack is written anew by the next import of the same image.',
  });
}

function invalid(digest: string, rule: string, cause?: unknown): Fault {
  return new Fault(
    "PACK_INVALID",
    {
      what: `${digest === "" ? "A pack" : `Pack ${digest}`} cannot be used: ${rule}.`,
      why: "It was made by another version of bootcast, or by a faulty one.",
      fix: "Import the image again with the version of bootcast that serves it.",
    },
    cause,
  );
}
