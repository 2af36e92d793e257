import { createHash } from "node:crypto";
import fc from "fast-check";
import { CELL_BYTES } from "../../images/cell.ts";
import type { Manifest } from "../../images/manifest.ts";
import type { EncodedPack } from "../../images/pack.ts";
import type { PackReader } from "../../images/pack-reader.ts";
import type { DiskLayout } from "../../images/partition-table.ts";
import { type ScanOptions, scan } from "../../images/scan.ts";
import { MemoryDisk } from "./memory.ts";

/** What the cells of a made-up disk hold: "0" is zero, a letter is content that is the same for the same letter. */
export function sampleDisk(cells: string, lastCellBytes = CELL_BYTES): MemoryDisk {
  const bytes = new Uint8Array((cells.length - 1) * CELL_BYTES + lastCellBytes);
  for (const [cell, letter] of [...cells].entries()) {
    if (letter !== "0")
      bytes.subarray(cell * CELL_BYTES, (cell + 1) * CELL_BYTES).set(content(letter, cell, bytes.length));
  }
  return new MemoryDisk(bytes);
}

/** Disks of up to 80 cells with equal and zero cells, whole or with a short end. */
export const sampleDisks: fc.Arbitrary<MemoryDisk> = fc
  .tuple(
    fc.string({ unit: fc.constantFrom("0", "0", "a", "b", "c", "?"), minLength: 1, maxLength: 80 }),
    fc.constantFrom(CELL_BYTES, 512, 4096),
  )
  .map(([cells, lastCellBytes]) => sampleDisk(cells, lastCellBytes));

/** A layout that only says where the partition table is. */
export function layoutWithTable(tableCells: readonly number[]): DiskLayout {
  const tableRanges = tableCells.map((cell) => ({ startBytes: cell * CELL_BYTES, endBytes: cell * CELL_BYTES + 1 }));
  return { scheme: "none", sectorBytes: 512, partitions: [], tableRanges, warnings: [] };
}

/** Scans a disk and keeps its packs in memory. */
export async function scanToMemory(
  disk: MemoryDisk,
  options: Partial<ScanOptions> = {},
): Promise<{ manifest: Manifest; packs: Map<string, EncodedPack>; reader: PackReader }> {
  const packs = new Map<string, EncodedPack>();
  const manifest = await scan(disk, {
    tag: { name: "sample", version: 1, builder: "test", createdAtMs: 1_700_000_000_000, notes: "" },
    codec: "stored",
    onPack: async (pack) => void packs.set(pack.digest, pack),
    ...options,
  });
  return { manifest, packs, reader: { read: async ({ digest }) => packs.get(digest)!.bytes } };
}

// "?" is content that no other cell has. A whole cell starts with a letter so that it is no boot sector by chance.
function content(letter: string, cell: number, limit: number): Uint8Array {
  const seed = letter === "?" ? `unique ${cell}` : letter;
  const bytes = new Uint8Array(Math.min(CELL_BYTES, limit - cell * CELL_BYTES)).fill(seed.charCodeAt(0));
  bytes.set(createHash("sha256").update(seed).digest().subarray(0, bytes.length), 64);
  return bytes;
}
