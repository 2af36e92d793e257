import type { ForeignChunk, ForeignRange } from "../foreign-image.ts";
import type { UdifChecksum } from "./checksum.ts";
import { udifFault } from "./faults.ts";
import { SECTOR_BYTES } from "./numbers.ts";
import { badTable, type RunKind, runsOf, type UdifRun, type UdifTable } from "./table.ts";

/** No program writes chunks above 1 MiB; above this, a damaged number would make us allocate. */
export const MAX_CHUNK_BYTES = 64 * 2 ** 20;

/** One run of the disk, in bytes. `offset` and `length` are of the data fork, and 0 for zero and unused runs. */
export type DiskRun = {
  readonly kind: RunKind;
  readonly startBytes: number;
  readonly endBytes: number;
  readonly offset: number;
  readonly length: number;
};

/** A partition: its runs are `firstRun` to before `endRun` of the map. */
export type RunTable = {
  readonly name: string;
  readonly checksum: UdifChecksum;
  readonly firstRun: number;
  readonly endRun: number;
};

const kindNames: readonly RunKind[] = ["zero", "unused", "raw", "adc", "zlib", "bzip2", "xz", "lzfse"];

/**
 * Every run of a disk, ascending and without gaps. 33 bytes a run: an image of
 * a TiB has a million of them.
 */
export class RunMap {
  readonly tables: readonly RunTable[];
  readonly count: number;
  readonly sizeBytes: number;
  readonly #kinds: Uint8Array;
  readonly #starts: Float64Array;
  readonly #offsets: Float64Array;
  readonly #lengths: Float64Array;

  private constructor(sizeBytes: number, tables: readonly RunTable[], runs: RunColumns) {
    this.sizeBytes = sizeBytes;
    this.tables = tables;
    this.count = runs.count;
    this.#kinds = runs.kinds;
    this.#starts = runs.starts;
    this.#offsets = runs.offsets;
    this.#lengths = runs.lengths;
  }

  /**
   * Puts the tables' runs in the order of the disk. Their own order, and that of
   * the tables, may be any; together they must name every sector exactly once.
   *
   * @param dataBytes the length of the data fork
   * @throws {Fault} UDIF_COVERAGE, UDIF_TABLE, UDIF_TRUNCATED, UDIF_TOO_LARGE
   */
  static of(tables: readonly UdifTable[], sectorCount: number, dataBytes: number): RunMap {
    const sorted = tables.toSorted((a, b) => a.firstSector - b.firstSector || a.sectorCount - b.sectorCount);
    let nextSector = 0;
    for (const table of sorted) {
      if (table.firstSector !== nextSector) throw uncovered(`Partition "${table.name}"`, table.firstSector, nextSector);
      nextSector += table.sectorCount;
    }
    if (nextSector !== sectorCount)
      throw udifFault(
        "UDIF_COVERAGE",
        `The .dmg is damaged: its partitions have ${nextSector} sectors, the whole disk has ${sectorCount}.`,
        "A partition's table is missing, or one of the numbers is wrong.",
      );
    const columns = new RunColumns(tables.reduce((sum, { runCount }) => sum + runCount, 0));
    const runTables = sorted.map((table): RunTable => {
      const firstRun = columns.count;
      addRuns(table, dataBytes, columns);
      return { name: table.name, checksum: table.checksum, firstRun, endRun: columns.count };
    });
    return new RunMap(sectorCount * SECTOR_BYTES, runTables, columns);
  }

  run(index: number): DiskRun {
    return {
      kind: kindNames[this.#kinds[index]!]!,
      startBytes: this.#starts[index]!,
      endBytes: index + 1 < this.count ? this.#starts[index + 1]! : this.sizeBytes,
      offset: this.#offsets[index]!,
      length: this.#lengths[index]!,
    };
  }

  /** The index of the run that holds this byte of the disk. */
  indexAt(byte: number): number {
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#starts[middle]! <= byte) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  has(kind: RunKind): boolean {
    return this.#kinds.subarray(0, this.count).includes(kindNames.indexOf(kind));
  }

  /** What is known without reading: neighbours of one state are one range. */
  *ranges(): Generator<ForeignRange> {
    let open: ForeignRange | undefined;
    for (let index = 0; index < this.count; index += 1) {
      const { kind, startBytes, endBytes } = this.run(index);
      const state = kind === "zero" || kind === "unused" ? kind : "data";
      if (open?.state === state) open = { ...open, endBytes };
      else {
        if (open !== undefined) yield open;
        open = { startBytes, endBytes, state };
      }
    }
    if (open !== undefined) yield open;
  }

  /** The runs that have content, with their places by `fileOffset`. */
  *chunks(fileOffset: (offset: number) => number): Generator<ForeignChunk> {
    for (let index = 0; index < this.count; index += 1) {
      const { kind, startBytes, endBytes, offset, length } = this.run(index);
      if (kind === "zero" || kind === "unused") continue;
      const lengthBytes = endBytes - startBytes;
      yield { startBytes, lengthBytes, fileOffset: fileOffset(offset), fileBytes: length, codec: kind };
    }
  }
}

class RunColumns {
  count = 0;
  readonly kinds: Uint8Array;
  readonly starts: Float64Array;
  readonly offsets: Float64Array;
  readonly lengths: Float64Array;

  constructor(capacity: number) {
    this.kinds = new Uint8Array(capacity);
    this.starts = new Float64Array(capacity);
    this.offsets = new Float64Array(capacity);
    this.lengths = new Float64Array(capacity);
  }

  add(kind: RunKind, start: number, offset: number, length: number): void {
    this.kinds[this.count] = kindNames.indexOf(kind);
    this.starts[this.count] = start;
    this.offsets[this.count] = offset;
    this.lengths[this.count] = length;
    this.count += 1;
  }
}

function addRuns(table: UdifTable, dataBytes: number, columns: RunColumns): void {
  let nextSector = 0;
  let lastKind: RunKind | undefined;
  for (const run of inOrder(table)) {
    if (run.firstSector !== nextSector)
      throw uncovered(`A run of partition "${table.name}"`, run.firstSector, nextSector);
    nextSector += run.sectorCount;
    const start = (table.firstSector + run.firstSector) * SECTOR_BYTES;
    if (run.kind === "zero" || run.kind === "unused") {
      // Old images list free space in hundreds of pieces.
      if (run.kind !== lastKind) columns.add(run.kind, start, 0, 0);
    } else {
      const { offset, length } = placeOf(run, table, dataBytes);
      columns.add(run.kind, start, offset, length);
    }
    lastKind = run.kind;
  }
  if (nextSector !== table.sectorCount)
    throw udifFault(
      "UDIF_COVERAGE",
      `The .dmg is damaged: the runs of partition "${table.name}" have ${nextSector} sectors, the partition has ${table.sectorCount}.`,
      "Runs are missing, or one of the numbers is wrong.",
    );
}

/** Mostly they are in order already; then nothing is collected. */
function inOrder(table: UdifTable): Iterable<UdifRun> {
  let nextSector = 0;
  for (const run of runsOf(table)) {
    if (run.firstSector < nextSector) return [...runsOf(table)].sort((a, b) => a.firstSector - b.firstSector);
    nextSector = run.firstSector;
  }
  return runsOf(table);
}

function placeOf(run: UdifRun, table: UdifTable, dataBytes: number): { offset: number; length: number } {
  const offset = run.offset + table.dataStart;
  if (offset + run.length > BigInt(dataBytes))
    throw udifFault(
      "UDIF_TRUNCATED",
      `The .dmg is incomplete: content of partition "${table.name}" is not in the file.`,
      `It should lie at byte ${offset} of the data with ${run.length} bytes; the data has ${dataBytes}.`,
    );
  const length = Number(run.length);
  const plainBytes = run.sectorCount * SECTOR_BYTES;
  if (run.kind === "raw") {
    if (length !== plainBytes)
      throw badTable(table.name, `A raw run of ${plainBytes} bytes has ${length} bytes in the file.`);
  } else if (plainBytes > MAX_CHUNK_BYTES || length > MAX_CHUNK_BYTES)
    throw udifFault(
      "UDIF_TOO_LARGE",
      `The .dmg is damaged: a chunk of partition "${table.name}" has ${plainBytes} bytes, ${length} in the file.`,
      "No program writes chunks of more than 1 MiB; bootcast reads up to 64 MiB.",
    );
  return { offset: Number(offset), length };
}

function uncovered(what: string, firstSector: number, nextSector: number) {
  const isGap = firstSector > nextSector;
  return udifFault(
    "UDIF_COVERAGE",
    `The .dmg is damaged: ${isGap ? "nothing says what is in" : "two tables or runs name"} its sectors.`,
    `${what} begins at sector ${firstSector}; what is before it ends at ${nextSector}.`,
  );
}
