import { Fault } from "../../fault.ts";
import type { BlockSource, BlockTarget } from "../../images/block.ts";
import { CELL_BYTES, cellId, cellLength, isZero } from "../../images/cell.ts";
import type { CellIdWork } from "../../images/cell-work.ts";
import { isTableCell, type Manifest, type PackEntry, packOfStored, storedCellId } from "../../images/manifest.ts";
import { decodePack } from "../../images/pack.ts";
import { differingCells, type VerifyProgress } from "../../images/verify.ts";
import { askAgain, type Patience, STREAM_ELSEWHERE } from "../stream/ask-again.ts";
import { placeOnDisk } from "./fault.ts";
import { ReadableSource } from "./held-disk.ts";
import { isSampled, type VerifyRule } from "./verify-plan.ts";

/** More wrong cells than this are no accident that writing again would cure: 64 MiB. */
const MOST_REPAIRED_CELLS = 1024;
const SHOWN_PLACES = 4;
/** A room that the group did not reach fetches all by unicast, within the stream's rate: its row is long, and it moves. */
const PATIENCE_MS = 10 * 60_000;
const goesByItself: ReadonlySet<string> = new Set(["UNICAST_BUSY", "SERVER_UNREACHABLE", STREAM_ELSEWHERE]);

/** What the disk is read back with, and repaired with. */
export type VerifyMachine = {
  /** Opens the disk for reading, past the kernel's memory of it. */
  openSource(): Promise<BlockSource & { close(): Promise<void> }>;
  /** Opens the disk for writing; called only when something must be written again. */
  openTarget(): Promise<BlockTarget & { close(): Promise<void> }>;
  /** One pack by unicast. */
  fetchPack(pack: PackEntry): Promise<Uint8Array>;
};

export type VerifyDiskOptions = {
  onProgress(progress: VerifyProgress): void;
  /** Why a pack does not come yet, once for each wait; "" when it has come. */
  onWait(reason: string): void;
  readonly signal: AbortSignal;
  /** How much of the disk is read; all of it unless given. */
  readonly rule?: VerifyRule;
  /** What computes the ids of cells; the thread that asks unless given. */
  readonly work?: CellIdWork;
  /** A place that could not be read; it is written again like one that is wrong. */
  readonly onUnreadable?: (fault: Fault) => void;
  /** For tests. */
  readonly patienceMs?: number;
};

/**
 * Reads the disk back and compares every cell with the signed manifest. Cells
 * that are wrong, or cannot be read, are written once more and read again; what is wrong then is the
 * disk's own fault. Where samples are read and one is wrong, the others are not believed: all is read.
 *
 * @returns how many cells had to be written again
 * @throws {Fault} DISK_VERIFY with the places that are wrong, DISK_READ with the first that cannot be read; REPAIR_MISSING
 * when no pack came for too long
 */
export async function verifyDisk(
  manifest: Manifest,
  machine: VerifyMachine,
  options: VerifyDiskOptions,
): Promise<number> {
  const { rule = { how: "whole" } } = options;
  if (rule.how === "none") return 0;
  const sampled = rule.how === "sampled" ? await wrongCells(manifest, machine, options, rule) : undefined;
  if (sampled?.length === 0) return 0;
  const wrong = await wrongCells(manifest, machine, options);
  if (wrong.length === 0) return 0;
  if (wrong.length > MOST_REPAIRED_CELLS) {
    throw verifyFault(manifest, wrong, "So many wrong places are not written again.");
  }
  await rewrite(manifest, wrong, machine, options);
  const stillWrong = await stillDiffering(manifest, wrong, machine);
  if (stillWrong.length > 0)
    throw verifyFault(manifest, stillWrong, "They were written twice and read back wrong twice.");
  return wrong.length;
}

async function wrongCells(
  manifest: Manifest,
  machine: VerifyMachine,
  { onUnreadable, ...options }: VerifyDiskOptions,
  sample?: VerifyRule & { readonly how: "sampled" },
): Promise<number[]> {
  const picks = sample === undefined ? {} : { isPicked: (firstCell: number) => isSampled(sample, firstCell) };
  const source = await machine.openSource();
  try {
    const wrong: number[] = [];
    const readable = new ReadableSource(source, onUnreadable);
    for await (const cell of differingCells(manifest, readable, { ...options, ...picks })) {
      wrong.push(cell);
      if (wrong.length > MOST_REPAIRED_CELLS) break;
    }
    return wrong;
  } finally {
    await source.close();
  }
}

async function rewrite(
  manifest: Manifest,
  cells: readonly number[],
  machine: VerifyMachine,
  { signal, onWait, patienceMs = PATIENCE_MS }: VerifyDiskOptions,
): Promise<void> {
  const patience: Patience = { goesByItself, patienceMs, onWait, giveUp: repairMissing, signal };
  // The partition table last here too.
  const ordered = cells.toSorted(
    (a, b) => Number(isTableCell(manifest, a)) - Number(isTableCell(manifest, b)) || a - b,
  );
  const target = await machine.openTarget();
  let fetched: { pack: number; cells: Uint8Array[] } | undefined;
  try {
    for (const cell of ordered) {
      signal.throwIfAborted();
      const place = manifest.cells.at(cell);
      let content: Uint8Array = new Uint8Array(cellLength(cell, manifest.diskBytes));
      if (place.state === "data") {
        const pack = packOfStored(manifest.packs, place.stored);
        const entry = manifest.packs[pack]!;
        if (fetched?.pack !== pack) {
          const stored = await askAgain(() => machine.fetchPack(entry), patience);
          fetched = { pack, cells: decodePack(stored, entry) };
        }
        content = fetched.cells[place.stored - entry.firstStored]!;
      }
      await target.write(cell * CELL_BYTES, content);
    }
  } finally {
    // Closing flushes.
    await target.close();
  }
}

async function stillDiffering(manifest: Manifest, cells: readonly number[], machine: VerifyMachine): Promise<number[]> {
  const source = await machine.openSource();
  try {
    const wrong: number[] = [];
    for (const cell of cells) {
      const content = await source.read(cell * CELL_BYTES, cellLength(cell, manifest.diskBytes));
      const place = manifest.cells.at(cell);
      const isRight =
        place.state === "data"
          ? Buffer.compare(cellId(content), storedCellId(manifest, place.stored)) === 0
          : isZero(content);
      if (!isRight) wrong.push(cell);
    }
    return wrong;
  } finally {
    await source.close();
  }
}

function verifyFault(manifest: Manifest, cells: readonly number[], why: string): Fault {
  const runs: { first: number; count: number }[] = [];
  for (const cell of cells) {
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.count === cell) last.count += 1;
    else runs.push({ first: cell, count: 1 });
  }
  const places = runs.slice(0, SHOWN_PLACES).map(({ first, count }) => {
    const length = (count - 1) * CELL_BYTES + cellLength(first + count - 1, manifest.diskBytes);
    return `${length} bytes at ${placeOnDisk(first * CELL_BYTES, manifest)}`;
  });
  const more = runs.length > SHOWN_PLACES ? `; and ${runs.length - SHOWN_PLACES} places more` : "";
  return new Fault("DISK_VERIFY", {
    what: `The disk does not hold what was written to it: ${places.join("; ")}${more}.`,
    why,
    fix: "Replace the disk, or check its cable and the machine's memory, and deploy again.",
  });
}

function repairMissing(last: Fault, patienceMs: number): Fault {
  return new Fault(
    "REPAIR_MISSING",
    {
      what: `What the disk does not hold right could not be fetched again for ${Math.round(patienceMs / 60_000)} min.`,
      why: `${last.what} ${last.why}`,
      fix: "Deploy this host again when the others are done; a disk that is often read back wrong is to be replaced.",
    },
    last,
  );
}
