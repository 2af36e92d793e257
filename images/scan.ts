import type { BlockSource } from "./block.ts";
import { CELL_BYTES, CELLS_PER_PACK, cellCount, cellId, cellLength, isZero } from "./cell.ts";
import { CellIdTable } from "./cell-id-table.ts";
import { idsOf } from "./cell-lists.ts";
import { type CellMap, CellMapBuilder } from "./cell-map.ts";
import { type ImageTag, type Manifest, type PackEntry, rootOf } from "./manifest.ts";
import { type EncodedPack, encodePack, type PackCodec } from "./pack.ts";
import { PackTable } from "./pack-table.ts";
import { cellsOfRanges, type DiskLayout, readDiskLayout } from "./partition-table.ts";

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
  /** Keeps one pack. Several calls may be under way; they may end in any order. */
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
  readonly onProgress?: (progress: ScanProgress) => void;
  readonly signal?: AbortSignal;
};

/** Packs that are compressed or written at the same time: enough for libuv's four threads, 4 MiB plain. */
const PACKS_IN_FLIGHT = 4;
const READ_CELLS = 32;
/** So few unused cells are read along with those around them: one more request would take longer. */
const READ_ACROSS_CELLS = 2;

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
  readonly #keepPack: PackKeeping["keepPack"];
  readonly #mostInFlight: number;
  // The cells of the pack that is being filled.
  #open: { cell: Uint8Array; id: Uint8Array }[] = [];
  #nextPack = 0;
  #newBytes = 0;
  #storedBytes = 0;
  #unusedBytes = 0;
  #failure: unknown;

  constructor(source: BlockSource, options: ScanOptions, tableCells: ReadonlySet<number>) {
    this.#source = source;
    this.#options = options;
    this.#tableCells = tableCells;
    this.#keepPack = "keepPack" in options ? options.keepPack : packMaker(options);
    this.#mostInFlight = ("keepPack" in options ? options.packsInFlight : undefined) ?? PACKS_IN_FLIGHT;
  }

  async run() {
    try {
      const cells = await this.#scanCells();
      await this.#closePack();
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
    let next = this.#readNeeded(0);
    for (let first = 0; first < total; first += READ_CELLS) {
      const pieces = await next;
      // The next stretch is on its way while this one is hashed.
      next = first + READ_CELLS < total ? this.#readNeeded(first + READ_CELLS) : Promise.resolve([]);
      next.catch(() => {});
      // Packs end at every MiB of the disk, so that a change there leaves all other packs as they were.
      for (let start = first; start < first + READ_CELLS && start < total; start += CELLS_PER_PACK) {
        await this.#closePack();
        const contents: CellContent[] = [];
        for (let cell = start; cell < start + CELLS_PER_PACK && cell < total; cell += 1)
          contents.push(this.#contentOf(cell, contentOf(cell, pieces)));
        await this.#reusePacks(contents);
        for (const content of contents) await this.#placeCell(content, cells);
      }
      this.#check();
      this.#progress(Math.min((first + READ_CELLS) * CELL_BYTES, this.#source.sizeBytes));
    }
    return cells.finish();
  }

  #contentOf(cell: number, bytes: Uint8Array | undefined): CellContent {
    if (this.#tableCells.has(cell)) return { state: "unused" };
    if (bytes === undefined || this.#options.isUnused?.(cell) === true) {
      this.#unusedBytes += cellLength(cell, this.#source.sizeBytes);
      return { state: "unused" };
    }
    return isZero(bytes) ? { state: "zero" } : { state: "data", bytes, id: cellId(bytes) };
  }

  async #placeCell(content: CellContent, cells: CellMapBuilder): Promise<void> {
    if (content.state === "data") cells.data(await this.#stored(content));
    else cells[content.state]();
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

  /** Reads what is needed of the next cells; what no file system uses is read only where it lies between. */
  #readNeeded(first: number): Promise<Piece[]> {
    const end = Math.min(first + READ_CELLS, cellCount(this.#source.sizeBytes));
    const pieces: { first: number; end: number }[] = [];
    for (let cell = first; cell < end; cell += 1) {
      if (this.#tableCells.has(cell) || this.#options.isUnused?.(cell) === true) continue;
      const last = pieces.at(-1);
      if (last !== undefined && cell - last.end <= READ_ACROSS_CELLS) last.end = cell + 1;
      else pieces.push({ first: cell, end: cell + 1 });
    }
    return Promise.all(
      pieces.map(async (piece) => ({ ...piece, bytes: await this.#readCells(piece.first, piece.end - piece.first) })),
    );
  }

  /** The stored number of a cell: that of an equal one seen before, or a new one. */
  async #stored({ bytes, id }: { readonly bytes: Uint8Array; readonly id: Uint8Array }): Promise<number> {
    const known = this.#ids.find(id);
    if (known !== undefined) return known;
    const stored = this.#ids.add(id);
    await this.#add(bytes, id);
    return stored;
  }

  /** Stores the cells of the partition table, and returns the stored number of each that is not zero. */
  async #scanTable(): Promise<ReadonlyMap<number, number>> {
    const storedOf = new Map<number, number>();
    const cells = [...this.#tableCells].filter((cell) => cell !== 0);
    for (const cell of [...cells, 0]) {
      // Cell 0 gets the very last pack, and the short last cell of the disk ends the pack before.
      if (cell === 0) await this.#closePack();
      const bytes = await this.#readCells(cell, 1);
      if (isZero(bytes)) continue;
      // Never shared with an equal cell outside of the table: that one would have to wait for the last pack.
      storedOf.set(cell, this.#ids.count + storedOf.size);
      await this.#add(bytes, cellId(bytes));
    }
    await this.#closePack();
    return storedOf;
  }

  async #add(cell: Uint8Array, id: Uint8Array): Promise<void> {
    this.#newBytes += cell.length;
    this.#open.push({ cell, id });
    if (this.#open.length === CELLS_PER_PACK) await this.#closePack();
  }

  async #closePack(): Promise<void> {
    if (this.#open.length === 0) return;
    const cells = this.#open.map(({ cell }) => cell);
    const cellIds = Buffer.concat(this.#open.map(({ id }) => id));
    this.#open = [];
    const number = this.#nextPack;
    this.#nextPack += 1;
    await this.#start(this.#makePack(number, cells, cellIds));
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

  async #makePack(number: number, cells: readonly Uint8Array[], cellIds: Uint8Array): Promise<void> {
    const { digest, storedBytes } = await this.#keepPack(cells, cellIds);
    this.#packs[number] = { digest, storedBytes, cellIds };
    this.#storedBytes += storedBytes;
  }

  #check(): void {
    this.#options.signal?.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #readCells(first: number, count: number): Promise<Uint8Array> {
    const length = (count - 1) * CELL_BYTES + cellLength(first + count - 1, this.#source.sizeBytes);
    return this.#source.read(first * CELL_BYTES, length);
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

/** What one cell of the disk is. A cell of the partition table counts as unused until all others have their numbers. */
type CellContent =
  | { readonly state: "unused" | "zero" }
  | { readonly state: "data"; readonly bytes: Uint8Array; readonly id: Uint8Array };

/** Cells that were read together. */
type Piece = { readonly first: number; readonly end: number; readonly bytes: Uint8Array };

function contentOf(cell: number, pieces: readonly Piece[]): Uint8Array | undefined {
  const piece = pieces.find(({ first, end }) => cell >= first && cell < end);
  return piece?.bytes.subarray((cell - piece.first) * CELL_BYTES, (cell - piece.first + 1) * CELL_BYTES);
}

function packMaker({ codec, level, onPack, findPack }: PackMaking): PackKeeping["keepPack"] {
  return async (cells, cellIds) => {
    const known = await findPack?.(cellIds);
    if (known !== undefined) return known;
    const pack = await encodePack(cells, codec, { cellIds, ...(level !== undefined && { level }) });
    await onPack(pack);
    return { digest: pack.digest, storedBytes: pack.bytes.length };
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
