import { Fault } from "../fault.ts";
import type { BlockSource, ByteRange } from "./block.ts";
import { CELL_BYTES } from "./cell.ts";
import { CellBits } from "./cell-bits.ts";
import { FILE_SYSTEM_PROBE_BYTES, fileSystemOf } from "./file-system.ts";
import { findPageFiles, readFreeSpace } from "./free-space/read.ts";
import { type FreeSpace, Implausible, Volume } from "./free-space/volume.ts";
import type { DiskLayout } from "./partition-table.ts";

/** What is known of one partition (or of the one file system of a disk without a partition table). */
export type VolumeUse = {
  /** "Partition 2 (ntfs)" */
  readonly name: string;
  readonly fileSystem: string;
  readonly sizeBytes: number;
  /** In cells that need not be kept. */
  readonly unusedBytes: number;
  /** Why all of it is kept; absent when its free space is known. */
  readonly keptBecause?: string;
};

/** The cells of a disk that lie wholly in free space of one of its file systems. */
export type UnusedCells = {
  readonly isUnused: (cell: number) => boolean;
  readonly count: number;
  readonly volumes: readonly VolumeUse[];
  /** File systems whose free space is not known and should be, one sentence each. */
  readonly warnings: readonly string[];
};

export type UnusedCellsOptions = {
  /**
   * A file system that was not unmounted, or is damaged: "keep" all of it and say so (the default), or "refuse" the
   * disk. A copy of it is whole either way, but every machine that gets it repairs it when it starts, or fails to.
   */
  readonly dirty?: "keep" | "refuse";
  /** Leaves out page files, and the memory of machines that sleep: pagefile.sys, swapfile.sys, hiberfil.sys, swapfile…, sleepimage. */
  readonly skipPageFiles?: boolean;
  /** Asked for file systems that are not read here; undefined when it does not know them either. */
  readonly otherMap?: (fileSystem: string, range: ByteRange) => Promise<FreeSpace | undefined>;
};

/** A page file's beginning is kept: it says whether the rest is to be believed, and must not be found as garbage. */
const KEPT_OF_PAGE_FILE_BYTES = CELL_BYTES;
/** Smaller volumes of unknown content are mostly empty, and worth no warning. */
const WORTH_A_WARNING_BYTES = 64 << 20;

type NotKnown = Exclude<FreeSpace, { readonly state: "known" }>;
/** A partition, or the one file system of a disk without a partition table. */
export type FoundVolume = Omit<VolumeUse, "unusedBytes" | "keptBecause"> & ByteRange;

/**
 * Finds what need not be kept of a disk: what was deleted there is not sent to every machine. Costs at most a bit a cell.
 *
 * @throws {Fault} FILE_SYSTEM_DIRTY with `dirty: "refuse"`, naming all that are
 */
export async function findUnusedCells(
  source: BlockSource,
  layout: DiskLayout,
  options: UnusedCellsOptions = {},
): Promise<UnusedCells> {
  const unused = new CellBits();
  const warnings: string[] = [];
  const volumes: VolumeUse[] = [];
  const dirty: { readonly name: string; readonly problem: string; readonly fix: string }[] = [];
  const all = await volumesOf(source, layout);
  for (const found of all) {
    const { startBytes, endBytes, ...volume } = found;
    const overlap = all.find((other) => other !== found && other.startBytes < endBytes && startBytes < other.endBytes);
    const free: NotKnown | CellBits =
      overlap === undefined
        ? await freeCells(source, found, options)
        : { state: "unknown", reason: `it overlaps with ${overlap.name}` };
    if (free instanceof CellBits) {
      unused.add(free);
      volumes.push({ ...volume, unusedBytes: free.count * CELL_BYTES });
      continue;
    }
    const keptBecause = free.state === "dirty" ? `it ${free.problem}` : free.reason;
    volumes.push({ ...volume, unusedBytes: 0, keptBecause });
    if (free.state === "dirty") {
      dirty.push({ name: volume.name, problem: free.problem, fix: free.fix });
      warnings.push(`${capital(volume.name)} ${free.problem}. All of it is kept. To mend it, ${free.fix}.`);
    } else if (volume.sizeBytes >= WORTH_A_WARNING_BYTES && !hasNoFreeSpace.includes(volume.fileSystem))
      warnings.push(`All of ${volume.name} is kept that is not zero: ${keptBecause}.`);
  }
  if (dirty.length > 0 && options.dirty === "refuse") throw refusal(dirty);
  return { isUnused: (cell) => unused.has(cell), count: unused.count, volumes, warnings };
}

/** The cells of one file system that nothing needs. Nothing of it is believed when any of it cannot be read. */
async function freeCells(
  source: BlockSource,
  { fileSystem, startBytes, endBytes }: FoundVolume,
  options: UnusedCellsOptions,
): Promise<NotKnown | CellBits> {
  const volume = new Volume(source, startBytes, endBytes - startBytes);
  try {
    const own = await readFreeSpace(fileSystem, volume);
    const other = own.state === "unknown" ? await options.otherMap?.(fileSystem, { startBytes, endBytes }) : undefined;
    const free = other ?? own;
    if (free.state !== "known") return free;
    const cells = new CellBits();
    for await (const range of free.ranges) markInside(cells, range);
    if (options.skipPageFiles === true)
      for (const file of await findPageFiles(fileSystem, volume))
        for (const range of behindBeginning(file)) markInside(cells, range);
    return cells;
  } catch (error) {
    if (error instanceof Implausible)
      return { state: "unknown", reason: `it is damaged or of another kind: ${error.message}` };
    throw error;
  }
}

/** Marks the cells that lie wholly inside a range; a short last cell of the disk never counts. */
function markInside(cells: CellBits, { startBytes, endBytes }: ByteRange): void {
  cells.mark(Math.ceil(startBytes / CELL_BYTES), Math.floor(endBytes / CELL_BYTES));
}

function* behindBeginning(file: readonly ByteRange[]): Generator<ByteRange> {
  let kept = KEPT_OF_PAGE_FILE_BYTES;
  for (const { startBytes, endBytes } of file) {
    const keptHere = Math.min(kept, endBytes - startBytes);
    kept -= keptHere;
    if (startBytes + keptHere < endBytes) yield { startBytes: startBytes + keptHere, endBytes };
  }
}

function refusal(dirty: readonly { readonly name: string; readonly problem: string; readonly fix: string }[]): Fault {
  const fixes = dirty.map(({ name, fix }) => `${capital(name)}: ${fix}.`).join(" ");
  return new Fault("FILE_SYSTEM_DIRTY", {
    what: `This disk would make a bad image: ${dirty.map(({ name, problem }) => `${name} ${problem}`).join("; ")}.`,
    why: "Every machine that gets the image would have to repair it, and what is free space on it is not known for sure.",
    fix: `${fixes} Or keep all of it as it is: --dirty keep.`,
  });
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const hasNoFreeSpace = ["iso9660", "squashfs"];

/** The volumes of a disk, by its partition table. */
export async function volumesOf(source: BlockSource, layout: DiskLayout): Promise<FoundVolume[]> {
  if (layout.scheme !== "none") {
    return layout.partitions.map(({ number, startBytes, sizeBytes, fileSystem }) => ({
      name: fileSystem === "" ? `partition ${number}` : `partition ${number} (${fileSystem})`,
      fileSystem,
      sizeBytes,
      startBytes,
      endBytes: startBytes + sizeBytes,
    }));
  }
  const { sizeBytes } = source;
  const fileSystem = fileSystemOf(await source.read(0, Math.min(FILE_SYSTEM_PROBE_BYTES, sizeBytes)));
  if (fileSystem === "") return [];
  return [{ name: `the file system (${fileSystem})`, fileSystem, sizeBytes, startBytes: 0, endBytes: sizeBytes }];
}
