import { crc32 } from "node:zlib";
import { Fault } from "../fault.ts";
import type { BlockSource } from "./block.ts";
import type { ForeignChunk, ForeignImage, ForeignRange } from "./foreign-image.ts";
import { bitsOfBytes, bytesOfRun, PartcloneBitmap } from "./partclone-bitmap.ts";
import {
  damagedPartclone,
  type PartcloneHeader,
  placeOfUsedBlock,
  readPartcloneHeader,
  restoreFirst,
} from "./partclone-header.ts";

/** How much is read at once, about. */
const READ_BYTES = 1 << 20;
/** A group of blocks with one checksum is read as a whole and checked, up to this size. */
const MAX_GROUP_BYTES = 1 << 24;

/**
 * Opens a partclone image (Clonezilla, FOG): the partition that it was made of.
 * Blocks that its file system did not use are zeros. What is read was checked
 * where each checksum stands for itself; `verify` checks all kinds.
 *
 * @throws {Fault} PARTCLONE_DAMAGED, PARTCLONE_TRUNCATED, PARTCLONE_KIND
 */
export async function openPartclone(source: BlockSource): Promise<ForeignImage> {
  const header = await readPartcloneHeader(source);
  const bitmap = await readBitmap(source, header);
  const { blockBytes, blocks, deviceBytes } = header;
  const sizeBytes = Math.max(deviceBytes, blocks * blockBytes);
  const used = new UsedBlocks(source, header);
  return {
    source: {
      sizeBytes,
      read: async (offset, length) => {
        const result = new Uint8Array(length);
        const first = Math.floor(offset / blockBytes);
        const end = Math.min(Math.ceil((offset + length) / blockBytes), blocks);
        for (const run of first < end ? bitmap.runs(first, end) : []) {
          if (!run.isUsed) continue;
          const from = Math.max(run.first * blockBytes, offset);
          const to = Math.min(run.end * blockBytes, offset + length);
          const skip = from - run.first * blockBytes;
          await used.copy(bitmap.indexOf(run.first), skip, result.subarray(from - offset, to - offset));
        }
        return result;
      },
    },
    format: `partclone ${plainNames[header.fileSystem] ?? header.fileSystem.toLowerCase()}`,
    kind: "volume",
    verify: (onProgress) => verify(source, header, onProgress),
    *ranges(): Iterable<ForeignRange> {
      for (const run of bitmap.runs()) yield { ...bytesOfRun(run, blockBytes), state: run.isUsed ? "data" : "unused" };
      const startBytes = blocks * blockBytes;
      if (startBytes < sizeBytes) yield { startBytes, endBytes: sizeBytes, state: "unused" };
    },
    *chunks(): Iterable<ForeignChunk> {
      const most = header.blocksPerChecksum === 0 ? Infinity : header.blocksPerChecksum;
      let index = 0;
      for (const run of bitmap.runs()) {
        if (!run.isUsed) continue;
        for (let block = run.first; block < run.end; ) {
          const count = Math.min(run.end - block, most - (index % most));
          const lengthBytes = count * blockBytes;
          const fileOffset = placeOfUsedBlock(header, index);
          yield { startBytes: block * blockBytes, lengthBytes, fileOffset, fileBytes: lengthBytes, codec: "raw" };
          block += count;
          index += count;
        }
      }
    },
    close: async () => undefined,
  };
}

const plainNames: Readonly<Record<string, string>> = { EXTFS: "ext2/3/4", "HFS Plus": "hfsplus" };

async function readBitmap(source: BlockSource, header: PartcloneHeader): Promise<PartcloneBitmap> {
  const { bitmapOffset, bitmapBytes, dataOffset, blocks } = header;
  const bytes = Buffer.from(await source.read(bitmapOffset, dataOffset - bitmapOffset));
  const stored = bytes.subarray(0, bitmapBytes);
  let bits: Uint8Array | undefined = stored;
  if (header.bitmap === "bits") {
    if (~crc32(stored) >>> 0 !== bytes.readUInt32LE(bitmapBytes))
      throw damagedPartclone("The checksum of its bitmap does not fit.");
  } else {
    if (bytes.toString("latin1", bitmapBytes) !== "BiTmAgIc") throw damagedPartclone("Its bitmap has no end.");
    bits = bitsOfBytes(stored);
    if (bits === undefined) throw damagedPartclone("Its bitmap holds something else than 0 and 1.");
  }
  const bitmap = new PartcloneBitmap(bits, blocks);
  if (bitmap.usedBlocks === header.usedBlocks) return bitmap;
  throw damagedPartclone(`Its header says that it holds ${header.usedBlocks} blocks, its bitmap ${bitmap.usedBlocks}.`);
}

/** The blocks that the image holds, one behind the other, as if there were no checksums between them. */
class UsedBlocks {
  readonly #source: BlockSource;
  readonly #header: PartcloneHeader;
  /** Of used blocks that are read together, and together checked when they have a checksum. */
  readonly #groupBlocks: number;
  readonly #isChecked: boolean;
  #cached: { readonly group: number; readonly bytes: Uint8Array } | undefined;

  constructor(source: BlockSource, header: PartcloneHeader) {
    this.#source = source;
    this.#header = header;
    const { blockBytes, blocksPerChecksum, checksum, isReseeded } = header;
    this.#isChecked = checksum === "crc32" && isReseeded && blocksPerChecksum * blockBytes <= MAX_GROUP_BYTES;
    this.#groupBlocks = this.#isChecked ? blocksPerChecksum : Math.max(1, Math.floor(READ_BYTES / blockBytes));
  }

  /** Fills `target` from the used block `index`, `skip` bytes into it. */
  async copy(index: number, skip: number, target: Uint8Array): Promise<void> {
    const groupBytes = this.#groupBlocks * this.#header.blockBytes;
    let at = index * this.#header.blockBytes + skip;
    for (let done = 0; done < target.length; ) {
      const group = Math.floor(at / groupBytes);
      const from = at - group * groupBytes;
      const part = (await this.#group(group)).subarray(from, from + target.length - done);
      target.set(part, done);
      done += part.length;
      at += part.length;
    }
  }

  async #group(group: number): Promise<Uint8Array> {
    if (this.#cached?.group === group) return this.#cached.bytes;
    const first = group * this.#groupBlocks;
    const end = Math.min(first + this.#groupBlocks, this.#header.usedBlocks);
    const bytes = this.#isChecked
      ? await this.#checked(first, end)
      : await readBlocks(this.#source, this.#header, first, end);
    this.#cached = { group, bytes };
    return bytes;
  }

  async #checked(first: number, end: number): Promise<Uint8Array> {
    const length = (end - first) * this.#header.blockBytes;
    const stored = Buffer.from(await this.#source.read(placeOfUsedBlock(this.#header, first), length + 4));
    if (~crc32(stored.subarray(0, length)) >>> 0 !== stored.readUInt32LE(length)) throw wrongChecksum(first, end);
    return stored.subarray(0, length);
  }
}

/** The used blocks `first` to `end`, without the checksums that lie between them. */
async function readBlocks(
  source: BlockSource,
  header: PartcloneHeader,
  first: number,
  end: number,
): Promise<Uint8Array> {
  const { blockBytes, blocksPerChecksum } = header;
  const start = placeOfUsedBlock(header, first);
  const last = placeOfUsedBlock(header, end - 1) + blockBytes;
  const stored = await source.read(start, last - start);
  if (stored.length === (end - first) * blockBytes) return stored;
  const bytes = new Uint8Array((end - first) * blockBytes);
  for (let index = first; index < end; ) {
    const count = Math.min(end - index, blocksPerChecksum - (index % blocksPerChecksum));
    const from = placeOfUsedBlock(header, index) - start;
    bytes.set(stored.subarray(from, from + count * blockBytes), (index - first) * blockBytes);
    index += count;
  }
  return bytes;
}

async function verify(
  source: BlockSource,
  header: PartcloneHeader,
  onProgress: (doneBytes: number, totalBytes: number) => void = () => undefined,
): Promise<void> {
  const { usedBlocks, blockBytes, blocksPerChecksum, checksum, checksumBytes, isReseeded } = header;
  if (checksum === "unknown") throw unknownChecksum();
  const step = Math.max(1, Math.floor(READ_BYTES / blockBytes));
  let sum = 0;
  for (let first = 0; first < usedBlocks; ) {
    // Up to the next checksum, and never across one.
    const toChecksum = checksum === "none" ? Infinity : blocksPerChecksum - (first % blocksPerChecksum);
    const end = Math.min(usedBlocks, first + Math.min(step, toChecksum));
    const isGroupEnd = checksum !== "none" && (end % blocksPerChecksum === 0 || end === usedBlocks);
    const length = (end - first) * blockBytes;
    const place = placeOfUsedBlock(header, first);
    const stored = Buffer.from(await source.read(place, length + (isGroupEnd ? checksumBytes : 0)));
    if (checksum === "crc32") sum = crc32(stored.subarray(0, length), sum);
    if (checksum === "first-byte") sum = crc32(Buffer.alloc(length, stored[0]), sum);
    if (isGroupEnd) {
      if (~sum >>> 0 !== stored.readUInt32LE(length)) throw wrongChecksum(first, end);
      if (isReseeded) sum = 0;
    }
    first = end;
    onProgress(first * blockBytes, usedBlocks * blockBytes);
  }
}

function wrongChecksum(first: number, end: number): Fault {
  return new Fault("PARTCLONE_CHECKSUM", {
    what: "The partclone image is damaged.",
    why: `The checksum behind the used blocks ${first} to ${end - 1} does not fit them.`,
    fix: "Copy it again from where it came from; if it is the same there, make the image again.",
  });
}

function unknownChecksum(): Fault {
  return new Fault("PARTCLONE_CHECKSUM_KIND", {
    what: "The partclone image cannot be checked.",
    why: "Its checksums are of a newer kind than CRC-32. Its content can be read all the same.",
    fix: `Check it with "partclone.chkimg -s FILE". ${restoreFirst}`,
  });
}
