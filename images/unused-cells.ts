import type { BlockSource, ByteRange } from "./block.ts";
import { CELL_BYTES, cellCount } from "./cell.ts";
import { readExtFreeBlocks } from "./ext-free-blocks.ts";
import { FILE_SYSTEM_PROBE_BYTES, fileSystemOf } from "./file-system.ts";
import type { DiskLayout } from "./partition-table.ts";

/** The cells of a disk that lie wholly in free blocks of one of its file systems. */
export type UnusedCells = {
  readonly isUnused: (cell: number) => boolean;
  readonly count: number;
  /** File systems whose free blocks are not known, one sentence each. */
  readonly warnings: readonly string[];
};

/** Finds what need not be kept of a disk: what was deleted there is not sent to every machine. Costs one bit a cell. */
export async function findUnusedCells(source: BlockSource, layout: DiskLayout): Promise<UnusedCells> {
  const bits = new Uint8Array(Math.ceil(cellCount(source.sizeBytes) / 8));
  const warnings: string[] = [];
  let count = 0;
  for (const { name, startBytes, sizeBytes } of await extVolumes(source, layout)) {
    const free = await readExtFreeBlocks(source, startBytes, sizeBytes);
    if (!free.isKnown) {
      if (free.reason !== "") warnings.push(`${name} ${free.reason} All of its blocks are kept.`);
      continue;
    }
    for await (const range of free.ranges) count += mark(bits, range);
  }
  return { isUnused: (cell) => (bits[cell >> 3]! & (1 << (cell & 7))) !== 0, count, warnings };
}

async function extVolumes(source: BlockSource, layout: DiskLayout) {
  if (layout.scheme !== "none") {
    return layout.partitions
      .filter(({ fileSystem }) => isExt(fileSystem))
      .map(({ number, startBytes, sizeBytes }) => ({ name: `Partition ${number}`, startBytes, sizeBytes }));
  }
  const start = await source.read(0, Math.min(FILE_SYSTEM_PROBE_BYTES, source.sizeBytes));
  return isExt(fileSystemOf(start)) ? [{ name: "The file system", startBytes: 0, sizeBytes: source.sizeBytes }] : [];
}

function isExt(fileSystem: string): boolean {
  return fileSystem === "ext2" || fileSystem === "ext3" || fileSystem === "ext4";
}

/** Marks the cells that lie wholly inside a range; a short last cell of the disk never counts. */
function mark(bits: Uint8Array, { startBytes, endBytes }: ByteRange): number {
  const first = Math.ceil(startBytes / CELL_BYTES);
  const end = Math.floor(endBytes / CELL_BYTES);
  for (let cell = first; cell < end; cell += 1) bits[cell >> 3]! |= 1 << (cell & 7);
  return Math.max(0, end - first);
}
