import { CELL_BYTES, cellLength } from "./cell.ts";
import { CellIdTable } from "./cell-id-table.ts";
import type { CellRun } from "./cell-map.ts";
import { ID_BYTES, type Manifest, type Partition, storedCellId } from "./manifest.ts";

/** Bytes of the disk, by what became of them. */
export type ChangedBytes = {
  /** Data in both, with other content. */
  readonly changedBytes: number;
  /** Data now, zero or unused or not on the disk before. */
  readonly addedBytes: number;
  /** The other way round. */
  readonly removedBytes: number;
};

export type PartitionChange = {
  readonly before: Partition | undefined;
  readonly after: Partition | undefined;
  /** Whether it is another one: its place, size, type, label or file system. */
  readonly isAltered: boolean;
  /** Inside of the newer one, or of the older one where there is no newer. */
  readonly bytes: ChangedBytes;
};

export type ImageDiff = {
  readonly isSame: boolean;
  readonly diskBytes: { readonly before: number; readonly after: number };
  readonly scheme: { readonly before: string; readonly after: string };
  readonly partitions: readonly PartitionChange[];
  /** On the whole disk, in cells: what lies outside of partitions, too. */
  readonly bytes: ChangedBytes & { readonly sameBytes: number };
  readonly changedCells: number;
  /** Stored bytes of the packs that a host needs which holds all cells of the older one. */
  readonly sendBytes: number;
  /** Stored bytes of the packs that only the newer one has: what it added to the store. */
  readonly newBytes: number;
  /** Stored bytes of all packs of the newer one. */
  readonly storedBytes: number;
};

/** What changed from one image to another. Costs one look at each run of cells, and at the ids of those that hold data. */
export function diffImages(before: Manifest, after: Manifest): ImageDiff {
  const whole = new Tally();
  const tallies = new Map<Partition, Tally>();
  const pairs = pairPartitions(before.partitions, after.partitions);
  const places = pairs.map(({ before: old, after: now }) => {
    const partition = (now ?? old)!;
    const tally = new Tally();
    tallies.set(partition, tally);
    return { tally, start: partition.startBytes, end: partition.startBytes + partition.sizeBytes };
  });
  for (const { cell, length, kind } of changesOf(before, after)) {
    whole.add(kind, length);
    if (kind === "same") continue;
    const start = cell * CELL_BYTES;
    for (const place of places) {
      // A cell on the border of two counts for both, as far as it lies in each.
      const inside = Math.min(start + length, place.end) - Math.max(start, place.start);
      if (inside > 0) place.tally.add(kind, inside);
    }
  }
  return {
    isSame: whole.cells === 0 && before.diskBytes === after.diskBytes,
    diskBytes: { before: before.diskBytes, after: after.diskBytes },
    scheme: { before: before.scheme, after: after.scheme },
    partitions: pairs.map(({ before: old, after: now }) => ({
      before: old,
      after: now,
      isAltered: JSON.stringify(old) !== JSON.stringify(now),
      bytes: tallies.get((now ?? old)!)!.changed,
    })),
    bytes: { ...whole.changed, sameBytes: whole.sameBytes },
    changedCells: whole.cells,
    ...packsBetween(before, after),
  };
}

type Kind = "same" | "changed" | "added" | "removed";

class Tally {
  cells = 0;
  sameBytes = 0;
  #bytes = { changed: 0, added: 0, removed: 0 };

  add(kind: Kind, bytes: number): void {
    if (kind === "same") {
      this.sameBytes += bytes;
      return;
    }
    this.cells += 1;
    this.#bytes[kind] += bytes;
  }

  get changed(): ChangedBytes {
    const { changed, added, removed } = this.#bytes;
    return { changedBytes: changed, addedBytes: added, removedBytes: removed };
  }
}

/** Every cell that holds data in one of the two. */
function* changesOf(before: Manifest, after: Manifest): Generator<{ cell: number; length: number; kind: Kind }> {
  const end = Math.max(before.cells.length, after.cells.length);
  const larger = Math.max(before.diskBytes, after.diskBytes);
  for (let cell = 0; cell < end; ) {
    const old = cell < before.cells.length ? before.cells.runAt(cell) : undefined;
    const now = cell < after.cells.length ? after.cells.runAt(cell) : undefined;
    const stop = Math.min(...[old, now].flatMap((run) => (run === undefined ? [] : [run.firstCell + run.count])));
    if (old?.state === "data" || now?.state === "data") {
      for (let at = cell; at < stop; at += 1) {
        yield { cell: at, length: cellLength(at, larger), kind: kindOf(idAt(before, old, at), idAt(after, now, at)) };
      }
    }
    cell = stop;
  }
}

function idAt(manifest: Manifest, run: CellRun | undefined, cell: number): Uint8Array | undefined {
  if (run?.state !== "data") return undefined;
  return storedCellId(manifest, run.firstStored + cell - run.firstCell);
}

function kindOf(old: Uint8Array | undefined, now: Uint8Array | undefined): Kind {
  if (old === undefined) return "added";
  if (now === undefined) return "removed";
  return Buffer.compare(old, now) === 0 ? "same" : "changed";
}

/** Partitions belong together by their number. */
function pairPartitions(before: readonly Partition[], after: readonly Partition[]) {
  const numbers = [...new Set([...before, ...after].map(({ number }) => number))].sort((a, b) => a - b);
  return numbers.map((number) => ({
    before: before.find((partition) => partition.number === number),
    after: after.find((partition) => partition.number === number),
  }));
}

function packsBetween(before: Manifest, after: Manifest): Pick<ImageDiff, "sendBytes" | "newBytes" | "storedBytes"> {
  const cells = new CellIdTable();
  for (let at = 0; at < before.cellIds.length; at += ID_BYTES) {
    const id = before.cellIds.subarray(at, at + ID_BYTES);
    if (cells.find(id) === undefined) cells.add(id);
  }
  const digests = new Set(before.packs.map(({ digest }) => digest));
  let sendBytes = 0;
  let newBytes = 0;
  let storedBytes = 0;
  for (const { digest, storedBytes: bytes, cellIds } of after.packs) {
    storedBytes += bytes;
    if (digests.has(digest)) continue;
    newBytes += bytes;
    for (let at = 0; at < cellIds.length; at += ID_BYTES) {
      if (cells.find(cellIds.subarray(at, at + ID_BYTES)) !== undefined) continue;
      sendBytes += bytes;
      break;
    }
  }
  return { sendBytes, newBytes, storedBytes };
}
