import { type BlockSource, readInto } from "./block.ts";
import { CELL_BYTES, CELLS_PER_PACK, cellCount, cellLength } from "./cell.ts";
import { CellIdTable } from "./cell-id-table.ts";
import { idsOf } from "./cell-lists.ts";
import { type CellMap, CellMapBuilder } from "./cell-map.ts";
import { type CellWork, cellWorkHere } from "./cell-work.ts";
import type { KnownCells } from "./known-cells.ts";
import { type ImageTag, type Manifest, type PackEntry, rootOf } from "./manifest.ts";
import type { EncodedPack, PackCodec } from "./pack.ts";
import { PackTable } from "./pack-table.ts";
import { cellsOfRanges, type DiskLayout, readDiskLayout } from "./partition-table.ts";
import { type CellContent, type IdentifiedCell, type Stretch, StretchReader } from "./scan-stretch.ts";

export type ScanProgress = {
  /** Bytes of the disk that were looked at, of `totalBytes`. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Of `doneBytes`, those in cells that no file system uses. */
  readonly unusedBytes: number;
  /** Bytes that are neither zero nor unused nor equal to an earlier cell. */
  readonly newBytes: number;
  /** Bytes of the packs made so far. */
  readonly storedBytes: number;
};

export type PackRecord = { readonly digest: string; readonly storedBytes: number };

/** The packs are made here. */
export type PackMaking = {
  /** "zstd" to import, "stored" for `rawFilePacks`. */
  readonly codec: PackCodec;
  readonly level?: number;
  /** A pack with exactly these cells that is kept already, and need not be made again. */
  readonly findPack?: (cellIds: Uint8Array) => Promise<PackRecord | undefined>;
  /** Packs that are kept already and hold some of the cells: these are used whole, and only the rest is packed anew. */
  readonly reuse?: PackReuse;
  /** Keeps one pack; its bytes may be used again when this resolves. Several calls may be under way; they may end in any order. */
  readonly onPack: (pack: EncodedPack) => Promise<void>;
};

export type PackReuse = {
  /** Those that are worth it for these cells of one MiB of the disk (ids of 32 bytes, end to end). */
  readonly packsHolding: (cellIds: Uint8Array) => readonly PackEntry[];
  /** Told of each that is used. Several calls may be under way; one that fails ends the scan. */
  readonly onReuse: (pack: PackEntry) => Promise<void>;
};

/** The packs are made elsewhere: whoever keeps them may have most of their cells already. */
export type PackKeeping = {
  /** Keeps the pack of these cells (ids of 32 bytes, end to end). Several calls may be under way; they may end in any order. */
  readonly keepPack: (cells: readonly Uint8Array[], cellIds: Uint8Array) => Promise<PackRecord>;
  /** How many calls at the same time; each holds a MiB. Default 4. */
  readonly packsInFlight?: number;
};

export type ScanOptions = (PackMaking | PackKeeping) & {
  readonly tag: ImageTag;
  /** What the device says; 512 for a file. */
  readonly sectorBytes?: number;
  /** The disk's layout, when the caller has read it already. */
  readonly layout?: DiskLayout;
  /** Cells that no file system uses; their content is not kept. */
  readonly isUnused?: (cell: number) => boolean;
  /** Cells whose content is known without reading them. */
  readonly known?: KnownCells;
  /** Where cells are hashed and packed; default: here. */
  readonly work?: CellWork;
  readonly onProgress?: (progress: ScanProgress) => void;
  readonly signal?: AbortSignal;
};

/**
 * Reads a whole disk once, cuts it into cells and packs, and makes its manifest.
 * Memory stays the same for any disk but for 44 bytes a cell that has content.
 *
 * Cells that hold the partition table come last and in packs of their own, cell
 * 0 in the very last one: what makes the disk bootable is written when all else is.
 *
 * @throws {Fault} GPT_DAMAGED, PARTITION_OUTSIDE; and what `source` and `onPack` throw
 */
export async function scan(source: BlockSource, options: ScanOptions): Promise<Manifest> {
  const layout = options.layout ?? (await readDiskLayout(source, options.sectorBytes));
  const diskBytes = source.sizeBytes;
  const tableCells = cellsOfRanges(layout.tableRanges);
  const scanner = new Scanner(source, options, new Set(tableCells));
  const { packs, cells } = await scanner.run();
  const table = PackTable.of(packs);
  return {
    tag: options.tag,
    diskBytes,
    sectorBytes: layout.sectorBytes,
    scheme: layout.scheme,
    partitions: layout.partitions,
    packs: table.entries,
    cellIds: table.cellIds,
    cells,
    tableCells,
    root: rootOf(cells, table.cellIds, diskBytes),
  };
}

class Scanner {
  readonly #source: BlockSource;
  readonly #options: ScanOptions;
  readonly #tableCells: ReadonlySet<number>;
  readonly #ids = new CellIdTable();
  readonly #packs: (PackRecord & { readonly cellIds: Uint8Array })[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  readonly #work: CellWork;
  readonly #reader: StretchReader;
  readonly #keepPack: PackKeeping["keepPack"];
  readonly #mostInFlight: number;
  #nextPack = 0;
  #newBytes = 0;
  #storedBytes = 0;
  #unusedBytes = 0;
  #failure: unknown;

  constructor(source: BlockSource, options: ScanOptions, tableCells: ReadonlySet<number>) {
    this.#source = source;
    this.#options = options;
    this.#tableCells = tableCells;
    this.#work = options.work ?? cellWorkHere();
    this.#reader = new StretchReader(source, this.#work, tableCells, options);
    this.#keepPack = "keepPack" in options ? options.keepPack : packMaker(options, this.#work);
    this.#mostInFlight = ("keepPack" in options ? options.packsInFlight : undefined) ?? this.#work.stretchesAtOnce;
  }

  async run() {
    try {
      const cells = await this.#scanCells();
      const tableStored = await this.#scanTable();
      await Promise.all(this.#inFlight);
      this.#check();
      return { packs: this.#packs, cells: withTableCells(cells, this.#tableCells, tableStored) };
    } finally {
      // Nobody may still write into the store when the caller learns of a failure.
      await Promise.allSettled(this.#inFlight);
    }
  }

  /** Table cells stay "unused" here: their stored numbers are known only when all others have theirs. */
  async #scanCells(): Promise<CellMap> {
    const cells = new CellMapBuilder();
    const total = cellCount(this.#source.sizeBytes);
    // The next stretches are read and hashed while this one is packed.
    const ahead: Promise<Stretch>[] = [];
    let nextRead = 0;
    try {
      // Packs end at every MiB of the disk, so that a change there leaves all other packs as they were.
      for (let first = 0; first < total; first += CELLS_PER_PACK) {
        for (; nextRead < total && ahead.length < this.#work.stretchesAtOnce; nextRead += CELLS_PER_PACK) {
          const reading = this.#reader.read(nextRead);
          reading.catch(() => {});
          ahead.push(reading);
        }
        await this.#placeStretch(await ahead.shift()!, cells);
        this.#check();
        this.#progress(Math.min((first + CELLS_PER_PACK) * CELL_BYTES, this.#source.sizeBytes));
      }
      return cells.finish();
    } finally {
      await Promise.allSettled(ahead);
    }
  }

  async #placeStretch({ contents, memory }: Stretch, cells: CellMapBuilder): Promise<void> {
    const open: IdentifiedCell[] = [];
    try {
      await this.#reusePacks(contents);
      for (const content of contents) {
        if (content.state === "data") cells.data(this.#storedNumber(content, open));
        else if (content.state === "zero") cells.zero();
        else cells.unused();
        if (content.state === "unused") this.#unusedBytes += content.sizeBytes;
      }
    } catch (error) {
      if (memory !== undefined) this.#work.giveBack(memory);
      throw error;
    }
    await this.#pack(open, memory);
  }

  /** Takes over packs that hold enough of these cells; their other cells are stored with them, for whoever needs them later. */
  async #reusePacks(contents: readonly CellContent[]): Promise<void> {
    const reuse = "reuse" in this.#options ? this.#options.reuse : undefined;
    if (reuse === undefined) return;
    const ids = contents.flatMap((content) => (content.state === "data" ? [content.id] : []));
    const newIds = ids.filter((id) => this.#ids.find(id) === undefined);
    if (newIds.length === 0) return;
    for (const pack of reuse.packsHolding(Buffer.concat(newIds))) {
      const packIds = idsOf(pack.cellIds);
      // A cell has one stored number.
      if (packIds.some((id) => this.#ids.find(id) !== undefined)) continue;
      for (const id of packIds) this.#ids.add(id);
      const { digest, storedBytes, cellIds } = pack;
      this.#packs[this.#nextPack] = { digest, storedBytes, cellIds };
      this.#nextPack += 1;
      this.#storedBytes += storedBytes;
      await this.#start(reuse.onReuse(pack));
    }
  }

  /** The stored number of a cell: that of an equal one seen before, or a new one, which goes into the pack that is open. */
  #storedNumber(cell: IdentifiedCell, open: IdentifiedCell[]): number {
    const known = this.#ids.find(cell.id);
    if (known !== undefined) return known;
    open.push(cell);
    return this.#ids.add(cell.id);
  }

  /** Stores the cells of the partition table, and returns the stored number of each that is not zero. */
  async #scanTable(): Promise<ReadonlyMap<number, number>> {
    const storedOf = new Map<number, number>();
    const cells = [...this.#tableCells].filter((cell) => cell !== 0);
    let open: IdentifiedCell[] = [];
    for (const cell of [...cells, 0]) {
      // Cell 0 gets the very last pack, and the short last cell of the disk ends the pack before.
      if (cell === 0 || open.length === CELLS_PER_PACK) {
        await this.#pack(open);
        open = [];
      }
      const bytes = new Uint8Array(cellLength(cell, this.#source.sizeBytes));
      await readInto(this.#source, cell * CELL_BYTES, bytes);
      const [id] = await this.#work.identify([bytes]);
      if (id === undefined) continue;
      // Never shared with an equal cell outside of the table: that one would have to wait for the last pack.
      storedOf.set(cell, this.#ids.count + storedOf.size);
      open.push({ bytes, id });
    }
    await this.#pack(open);
    return storedOf;
  }

  /** Begins to pack cells, if there are any. @param memory where they lie; it is given back */
  async #pack(open: readonly IdentifiedCell[], memory?: Uint8Array): Promise<void> {
    const release = () => memory !== undefined && this.#work.giveBack(memory);
    if (open.length === 0) {
      release();
      return;
    }
    const number = this.#nextPack;
    this.#nextPack += 1;
    await this.#start(this.#makePack(number, open).finally(release));
  }

  /** Work that goes on beside the scan; this waits while there is much of it. */
  async #start(work: Promise<void>): Promise<void> {
    const job = work.catch((error) => {
      this.#failure ??= error;
    });
    this.#inFlight.add(job);
    void job.finally(() => this.#inFlight.delete(job));
    while (this.#inFlight.size >= this.#mostInFlight) await Promise.race(this.#inFlight);
    this.#check();
  }

  async #makePack(number: number, open: readonly IdentifiedCell[]): Promise<void> {
    const cells = open.map(({ bytes }) => bytes);
    const cellIds = Buffer.concat(open.map(({ id }) => id));
    for (const { length } of cells) this.#newBytes += length;
    const { digest, storedBytes } = await this.#keepPack(cells, cellIds);
    this.#packs[number] = { digest, storedBytes, cellIds };
    this.#storedBytes += storedBytes;
  }

  #check(): void {
    this.#options.signal?.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #progress(doneBytes: number): void {
    this.#options.onProgress?.({
      doneBytes,
      totalBytes: this.#source.sizeBytes,
      unusedBytes: this.#unusedBytes,
      newBytes: this.#newBytes,
      storedBytes: this.#storedBytes,
    });
  }
}

function packMaker({ codec, level, onPack, findPack }: PackMaking, work: CellWork): PackKeeping["keepPack"] {
  return async (cells, cellIds) => {
    const known = await findPack?.(cellIds);
    if (known !== undefined) return known;
    const pack = await work.encodePack(cells, codec, { cellIds, ...(level !== undefined && { level }) });
    const kept = { digest: pack.digest, storedBytes: pack.bytes.length };
    await onPack(pack).finally(() => work.giveBack(pack.bytes));
    return kept;
  };
}

function withTableCells(
  cells: CellMap,
  tableCells: ReadonlySet<number>,
  storedOf: ReadonlyMap<number, number>,
): CellMap {
  const whole = new CellMapBuilder();
  const copyTo = (end: number) => {
    while (whole.length < end) {
      const { state, firstCell, count, firstStored } = cells.runAt(whole.length);
      const skipped = whole.length - firstCell;
      const copied = Math.min(count - skipped, end - whole.length);
      if (state === "data") whole.data(firstStored + skipped, copied);
      else whole[state](copied);
    }
  };
  for (const cell of tableCells) {
    copyTo(cell);
    const stored = storedOf.get(cell);
    if (stored === undefined) whole.zero();
    else whole.data(stored);
  }
  copyTo(cells.length);
  return whole.finish();
}
