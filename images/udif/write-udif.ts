import { crc32 } from "node:zlib";
import { Fault } from "../../fault.ts";
import { type BlockSource, readInto } from "../block.ts";
import { CELL_BYTES, isZero } from "../cell.ts";
import type { ForeignRange } from "../foreign-image.ts";
import { crc32WithZeros } from "./crc-zeros.ts";
import { SECTOR_BYTES } from "./numbers.ts";
import { areasOfDisk, type DiskArea } from "./write-areas.ts";
import { encodePropertyList, type ListedTable } from "./write-property-list.ts";
import { type Stretch, stretchesOf } from "./write-stretches.ts";
import { TableWriter } from "./write-table.ts";
import { encodeTrailer } from "./write-trailer.ts";

export type UdifWriteOptions = {
  /** "zlib" makes a UDZO, "xz" a ULMO (an .xz container for each chunk). */
  readonly codec: "zlib" | "xz";
  /** Packs one chunk, into memory that it is given back; undefined when that does not make it shorter. Several are asked for at the same time. */
  readonly compress: (bytes: Uint8Array) => Promise<Uint8Array | undefined>;
  /** Memory for chunks, which is used again. */
  readonly memory: { take(lengthBytes: number): Uint8Array; giveBack(memory: Uint8Array): void };
  /** How many chunks may be under way; each takes about three times its length. */
  readonly chunksAtOnce: number;
  /** 16 random bytes. */
  readonly segmentId: Uint8Array;
  /** What is known of the disk, as `ForeignImage.ranges` says it: those stretches are not read. */
  readonly ranges?: Iterable<ForeignRange> | undefined;
  /** Bytes of the disk that are written, of all. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
};

/** 1 MiB, as macOS since 10.9. */
const CHUNK_SECTORS = 2048;
/** A table's runs stay in memory and become text: larger disks get larger chunks. */
const MOST_CHUNKS = 2 ** 20;
/** What hdiutil adds for zlib. */
const SPARE_BUFFER_SECTORS = 8;

/**
 * Writes a disk or a volume as a compressed .dmg, from start to end without
 * going back: the chunks, then the tables, then the trailer.
 *
 * @param append writes bytes behind those before; they may be used again when it resolves
 * @throws {Fault} IMAGE_SIZE, and what `source`, `compress` and `append` throw
 */
export async function writeUdif(
  source: BlockSource,
  append: (bytes: Uint8Array) => Promise<void>,
  options: UdifWriteOptions,
): Promise<void> {
  if (source.sizeBytes === 0 || source.sizeBytes % SECTOR_BYTES !== 0) throw noSectors(source.sizeBytes);
  const { kind, areas } = await areasOfDisk(source);
  const sectorCount = source.sizeBytes / SECTOR_BYTES;
  let chunkSectors = CHUNK_SECTORS;
  while (sectorCount / chunkSectors > MOST_CHUNKS) chunkSectors *= 2;
  const writer = new DataWriter(source, append, options, chunkSectors);
  const { tables, sums } = await writer.write(areas);
  let xmlBytes = 0;
  for (const piece of encodePropertyList(tables)) {
    const bytes = Buffer.from(piece);
    await append(bytes);
    xmlBytes += bytes.length;
  }
  const { dataBytes, dataCrc32 } = writer;
  const { segmentId } = options;
  await append(
    encodeTrailer({ dataBytes, dataCrc32, xmlBytes, masterCrc32: crc32(sums), segmentId, kind, sectorCount }),
  );
}

/** A stretch of the disk that was read, perhaps still being packed. */
type Pending = Stretch & { readonly plain?: Uint8Array; readonly packed?: Promise<Uint8Array | undefined> };

class DataWriter {
  dataBytes = 0;
  dataCrc32 = 0;
  readonly #source: BlockSource;
  readonly #append: (bytes: Uint8Array) => Promise<void>;
  readonly #options: UdifWriteOptions;
  readonly #chunkSectors: number;
  readonly #tables: ListedTable[] = [];
  readonly #sums: Buffer[] = [];
  #table: TableWriter | undefined;
  #crc32 = 0;

  constructor(
    source: BlockSource,
    append: (bytes: Uint8Array) => Promise<void>,
    options: UdifWriteOptions,
    chunkSectors: number,
  ) {
    this.#source = source;
    this.#append = append;
    this.#options = options;
    this.#chunkSectors = chunkSectors;
  }

  async write(areas: readonly DiskArea[]): Promise<{ tables: readonly ListedTable[]; sums: Buffer }> {
    const { chunksAtOnce, ranges, signal } = this.#options;
    const pending: Pending[] = [];
    let underWay = 0;
    const finishFirst = async () => {
      const first = pending.shift()!;
      if (first.packed !== undefined) underWay -= 1;
      await this.#finish(first);
    };
    for (const stretch of stretchesOf(areas, this.#chunkSectors, ranges)) {
      signal?.throwIfAborted();
      const next = await this.#begin(stretch);
      pending.push(next);
      if (next.packed !== undefined) underWay += 1;
      // What is nothing to pack waits only for its turn.
      while (pending.length > 0 && (underWay >= chunksAtOnce || pending[0]!.packed === undefined)) await finishFirst();
    }
    while (pending.length > 0) await finishFirst();
    this.#endTable();
    return { tables: this.#tables, sums: Buffer.concat(this.#sums) };
  }

  async #begin(stretch: Stretch): Promise<Pending> {
    const { area, firstSector, sectorCount, state } = stretch;
    if (state !== "data") return stretch;
    const startBytes = (area.firstSector + firstSector) * SECTOR_BYTES;
    const { memory } = this.#options;
    const plain = memory.take(sectorCount * SECTOR_BYTES);
    await readInto(this.#source, startBytes, plain);
    if (isAllZero(plain)) {
      memory.giveBack(plain);
      // Free space of the disk need not be kept, as long as nobody put anything there.
      return { ...stretch, state: area.isFree ? "unused" : "zero" };
    }
    const packed = this.#options.compress(plain);
    // Who waits for it gets the failure; another one may come before that.
    packed.catch(() => {});
    return { ...stretch, plain, packed };
  }

  async #finish({ area, sectorCount, state, plain, packed }: Pending): Promise<void> {
    if (this.#table?.area !== area) {
      this.#endTable();
      this.#table = new TableWriter(area);
    }
    if (plain !== undefined && packed !== undefined) {
      this.#crc32 = crc32(plain, this.#crc32);
      const bytes = await packed;
      if (bytes === undefined) await this.#store("raw", sectorCount, plain);
      else await this.#store(this.#options.codec, sectorCount, bytes);
      const { memory } = this.#options;
      memory.giveBack(plain);
      if (bytes !== undefined) memory.giveBack(bytes);
    } else {
      if (state === "zero") this.#crc32 = crc32WithZeros(this.#crc32, sectorCount * SECTOR_BYTES);
      this.#table.add(state === "unused" ? "unused" : "zero", sectorCount, this.dataBytes, 0);
    }
    const doneSectors = area.firstSector + this.#table.sectorCount;
    this.#options.onProgress?.(doneSectors * SECTOR_BYTES, this.#source.sizeBytes);
  }

  async #store(kind: "raw" | "zlib" | "xz", sectorCount: number, bytes: Uint8Array): Promise<void> {
    this.#table!.add(kind, sectorCount, this.dataBytes, bytes.length);
    await this.#append(bytes);
    this.dataCrc32 = crc32(bytes, this.dataCrc32);
    this.dataBytes += bytes.length;
  }

  #endTable(): void {
    if (this.#table === undefined) return;
    const { id, name } = this.#table.area;
    const bytes = this.#table.encode(this.#crc32, this.#chunkSectors + SPARE_BUFFER_SECTORS, this.dataBytes);
    this.#tables.push({ id, name, bytes });
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(this.#crc32);
    this.#sums.push(sum);
    this.#table = undefined;
    this.#crc32 = 0;
  }
}

function isAllZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += CELL_BYTES) if (!isZero(bytes.subarray(at, at + CELL_BYTES))) return false;
  return true;
}

function noSectors(sizeBytes: number): Fault {
  return new Fault("IMAGE_SIZE", {
    what: `This cannot become a .dmg: it has ${sizeBytes} bytes.`,
    why: `A .dmg is a whole number of sectors of ${SECTOR_BYTES} bytes.`,
    fix: 'Check that the source was not cut off, or convert it with "--format raw".',
  });
}
