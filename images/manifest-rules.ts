import { Fault } from "../fault.ts";
import { CELL_BYTES, CELLS_PER_PACK, cellCount, cellLength } from "./cell.ts";
import { MAX_CELLS } from "./cell-map.ts";
import { ID_BYTES, isImageName, type Manifest, packCellCount, packOfStored, rootOf, tablePacks } from "./manifest.ts";
import { maxPackBytes, PACK_HEADER_BYTES } from "./pack.ts";

const SECTOR_SIZES = [512, 1024, 2048, 4096];
const MAX_PARTITIONS = 1024;
const MAX_NOTE_LENGTH = 4096;

/**
 * What a manifest must obey before anything is written with it: every index in
 * range, every cell of the disk in exactly one run, the root over the cell ids,
 * and the partition table in packs of its own at the end.
 *
 * @throws {Fault} MANIFEST_INVALID, naming the broken rule
 */
export function checkManifest(manifest: Manifest): void {
  checkTag(manifest);
  checkDisk(manifest);
  checkPacks(manifest);
  checkCells(manifest);
  checkTable(manifest);
  const root = rootOf(manifest.cells, manifest.cellIds, manifest.diskBytes);
  rule(Buffer.compare(root, manifest.root) === 0, "its root is not that of its cells");
}

function checkTag({ tag }: Manifest): void {
  rule(isImageName(tag.name), "its image name has characters that are not allowed");
  rule(Number.isSafeInteger(tag.version) && tag.version >= 1, "its version is not a number from 1");
  rule(Number.isSafeInteger(tag.createdAtMs) && tag.createdAtMs >= 0, "its date is not a date");
  rule(tag.builder.length <= MAX_NOTE_LENGTH && tag.notes.length <= MAX_NOTE_LENGTH, "its notes are too long");
}

function checkDisk({ diskBytes, sectorBytes, partitions }: Manifest): void {
  rule(SECTOR_SIZES.includes(sectorBytes), `a sector size of ${sectorBytes} bytes does not exist`);
  rule(Number.isSafeInteger(diskBytes) && diskBytes > 0, "its disk size is not a size");
  rule(diskBytes % sectorBytes === 0, "its disk size is not a whole number of sectors");
  rule(cellCount(diskBytes) <= MAX_CELLS, "its disk is larger than the format can describe");
  rule(partitions.length <= MAX_PARTITIONS, "it has too many partitions");
  for (const { number, startBytes, sizeBytes } of partitions) {
    const isRange = [number, startBytes, sizeBytes].every(Number.isSafeInteger) && number >= 1 && startBytes >= 0;
    rule(isRange && sizeBytes > 0 && startBytes + sizeBytes <= diskBytes, `partition ${number} is not inside the disk`);
  }
}

function checkPacks({ packs, cellIds }: Manifest): void {
  let stored = 0;
  for (const [number, pack] of packs.entries()) {
    const count = packCellCount(pack);
    rule(pack.firstStored === stored, `pack ${number} does not follow the one before`);
    rule(count >= 1 && count <= CELLS_PER_PACK, `pack ${number} has ${count} cells`);
    const least = PACK_HEADER_BYTES + count * ID_BYTES + 1;
    rule(
      pack.storedBytes >= least && pack.storedBytes <= maxPackBytes(count),
      `the size of pack ${number} is impossible`,
    );
    stored += count;
  }
  rule(cellIds.length === stored * ID_BYTES, "its packs do not hold all of its cells");
}

function checkCells(manifest: Manifest): void {
  const { cells, diskBytes, packs, cellIds } = manifest;
  rule(cells.length === cellCount(diskBytes), "its cells do not cover the disk exactly");
  const storedCells = cellIds.length / ID_BYTES;
  for (const { state, firstStored, count } of cells.runs())
    rule(state !== "data" || firstStored + count <= storedCells, "it places a cell that no pack holds");
  const lastCell = cells.length - 1;
  const last = cells.at(lastCell);
  if (last.state !== "data" || cellLength(lastCell, diskBytes) === CELL_BYTES) return;
  const pack = packs[packOfStored(packs, last.stored)]!;
  const isLastOfPack = last.stored === pack.firstStored + packCellCount(pack) - 1;
  rule(isLastOfPack, "the short last cell of the disk is not the last one of its pack");
  for (const { state, firstCell, firstStored, count } of cells.runs()) {
    const isSame = state === "data" && firstStored <= last.stored && last.stored < firstStored + count;
    const isItself = isSame && firstCell + last.stored - firstStored === lastCell;
    rule(!isSame || isItself, "the short last cell of the disk is placed twice");
  }
}

function checkTable(manifest: Manifest): void {
  const { tableCells, cells, packs } = manifest;
  for (const [at, cell] of tableCells.entries()) {
    rule(
      Number.isInteger(cell) && cell >= 0 && cell < cells.length,
      "a cell of its partition table is not on the disk",
    );
    rule(at === 0 || tableCells[at - 1]! < cell, "the cells of its partition table are not in order");
  }
  const ownPacks = tablePacks(manifest);
  const firstOwn = packs.length - ownPacks.length;
  for (const [at, pack] of ownPacks.entries())
    rule(pack === firstOwn + at, "its partition table is not in the last packs");
  if (ownPacks.length === 0) return;
  const isTable = new Set(tableCells);
  const fromStored = packs[firstOwn]!.firstStored;
  for (const { state, firstCell, firstStored, count } of cells.runs()) {
    if (state !== "data" || firstStored + count <= fromStored) continue;
    for (let stored = Math.max(firstStored, fromStored); stored < firstStored + count; stored += 1)
      rule(isTable.has(firstCell + stored - firstStored), "its last packs hold more than the partition table");
  }
}

function rule(holds: boolean, text: string): void {
  if (!holds) throw invalidManifest(text);
}

/** MANIFEST_INVALID: a signed manifest that breaks a rule of the format. */
export function invalidManifest(rule: string, cause?: unknown): Fault {
  return new Fault(
    "MANIFEST_INVALID",
    {
      what: `The image's manifest cannot be used: ${rule}.`,
      why: "It was made by another version of bootcast, or by a faulty one.",
      fix: "Import the image again with the version of bootcast that serves it.",
    },
    cause,
  );
}
