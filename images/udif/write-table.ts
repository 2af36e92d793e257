import { encodeChecksum } from "./checksum.ts";
import type { DiskArea } from "./write-areas.ts";

/** What the writer makes. "zero" counts in the table's checksum, "unused" does not. */
export type WrittenRun = "zero" | "unused" | "raw" | "zlib" | "xz";

const types: Record<WrittenRun, number> = { zero: 0, raw: 1, unused: 2, zlib: 0x80000005, xz: 0x80000008 };
const TERMINATOR = 0xffffffff;
const HEADER_BYTES = 204;
const RUN_BYTES = 40;

/** Collects the runs of one table ("mish", see `decodeTable`), in its order: 40 bytes for each. */
export class TableWriter {
  readonly area: DiskArea;
  #runs = Buffer.alloc(RUN_BYTES * 8);
  #count = 0;
  #sectors = 0;
  #last: WrittenRun | undefined;

  constructor(area: DiskArea) {
    this.area = area;
  }

  /** How many sectors the runs so far have. */
  get sectorCount(): number {
    return this.#sectors;
  }

  /**
   * The next run; zero and unused ones that follow each other become one.
   *
   * @param offset in the data fork, bytes; for zero and unused runs its end so far
   */
  add(kind: WrittenRun, sectorCount: number, offset: number, length: number): void {
    const continues = kind === this.#last && (kind === "zero" || kind === "unused");
    if (continues) {
      const at = (this.#count - 1) * RUN_BYTES + 16;
      this.#runs.writeBigUInt64BE(this.#runs.readBigUInt64BE(at) + BigInt(sectorCount), at);
    } else this.#write(types[kind], sectorCount, offset, length);
    this.#sectors += sectorCount;
    this.#last = kind;
  }

  /**
   * @param crc32 of the content, without what is unused
   * @param bufferSectors what a reader needs for one chunk
   * @param dataEnd where the data fork's content ends
   */
  encode(crc32: number, bufferSectors: number, dataEnd: number): Buffer {
    this.#write(TERMINATOR, 0, dataEnd, 0);
    const table = Buffer.alloc(HEADER_BYTES + this.#count * RUN_BYTES);
    table.write("mish", 0, "latin1");
    table.writeUInt32BE(1, 4);
    table.writeBigUInt64BE(BigInt(this.area.firstSector), 8);
    table.writeBigUInt64BE(BigInt(this.#sectors), 16);
    table.writeUInt32BE(bufferSectors, 32);
    table.writeUInt32BE(this.area.descriptor, 36);
    encodeChecksum(table, 64, crc32);
    table.writeUInt32BE(this.#count, 200);
    this.#runs.copy(table, HEADER_BYTES, 0, this.#count * RUN_BYTES);
    this.#runs = Buffer.alloc(0);
    return table;
  }

  #write(type: number, sectorCount: number, offset: number, length: number): void {
    const at = this.#count * RUN_BYTES;
    if (at === this.#runs.length) this.#runs = Buffer.concat([this.#runs, Buffer.alloc(at)]);
    this.#runs.writeUInt32BE(type, at);
    this.#runs.writeBigUInt64BE(BigInt(this.#sectors), at + 8);
    this.#runs.writeBigUInt64BE(BigInt(sectorCount), at + 16);
    this.#runs.writeBigUInt64BE(BigInt(offset), at + 24);
    this.#runs.writeBigUInt64BE(BigInt(length), at + 32);
    this.#count += 1;
  }
}
