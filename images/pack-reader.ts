import { Fault } from "../fault.ts";
import { type BlockSource, readInto } from "./block.ts";
import { CELL_BYTES, cellLength } from "./cell.ts";
import { type Manifest, type PackEntry, packCellCount } from "./manifest.ts";
import { packBodyAt, packDigest, writePackHead } from "./pack.ts";
import { placesOfPack } from "./pack-places.ts";

/** Where the stored bytes of packs come from. */
export interface PackReader {
  /** The stored bytes of `pack`, which is number `number` of its manifest. */
  read(pack: PackEntry, number: number): Promise<Uint8Array>;
  /** Reads it into memory that is there already and has its length, where the reader can; see `readPackInto`. */
  readInto?(pack: PackEntry, number: number, target: Uint8Array): Promise<void>;
}

/**
 * Reads a pack into memory that is there already.
 *
 * @param target as long as what the reader gives for the pack
 */
export async function readPackInto(
  packs: PackReader,
  pack: PackEntry,
  number: number,
  target: Uint8Array,
): Promise<void> {
  if (packs.readInto !== undefined) return packs.readInto(pack, number, target);
  target.set(await packs.read(pack, number));
}

/**
 * Packs that are made from the raw disk image when they are read, for a
 * manifest that `scan` made with codec "stored": nothing is converted or copied.
 *
 * `read` throws Fault SOURCE_CHANGED when the file is no longer what was scanned.
 */
export function rawFilePacks(source: BlockSource, manifest: Manifest): PackReader {
  const places = placesOfPack(manifest);
  const readFromDisk = async (pack: PackEntry, number: number, target: Uint8Array) => {
    const bodyAt = packBodyAt(packCellCount(pack));
    for (const { first, count, index } of stretchesOf(places.get(number))) {
      const last = first + count - 1;
      const length = (count - 1) * CELL_BYTES + cellLength(last, manifest.diskBytes);
      const at = bodyAt + index * CELL_BYTES;
      await readInto(source, first * CELL_BYTES, target.subarray(at, at + length));
    }
    writePackHead(target, { codec: "stored", cellIds: pack.cellIds, plainBytes: target.length - bodyAt });
    if (packDigest(target) !== pack.digest) throw sourceChanged(places.get(number)[0]!.cell * CELL_BYTES);
  };
  return {
    async read(pack, number) {
      const bytes = Buffer.allocUnsafeSlow(pack.storedBytes);
      await readFromDisk(pack, number, bytes);
      return bytes;
    },
    readInto: readFromDisk,
  };
}

// Neighbours in the pack are mostly neighbours on the disk: one read for them. The first place of a cell is enough.
function stretchesOf(places: readonly { index: number; cell: number }[]) {
  const cellOf: number[] = [];
  for (const { index, cell } of places) cellOf[index] ??= cell;
  const stretches: { first: number; count: number; index: number }[] = [];
  for (const [index, cell] of cellOf.entries()) {
    const last = stretches.at(-1);
    if (last !== undefined && last.first + last.count === cell) last.count += 1;
    else stretches.push({ first: cell, count: 1, index });
  }
  return stretches;
}

function sourceChanged(offset: number): Fault {
  return new Fault("SOURCE_CHANGED", {
    what: `The disk image was changed at byte ${offset} after it was scanned.`,
    why: "Something writes to the file, for instance a virtual machine that still runs.",
    fix: "Stop what uses the file and start again.",
  });
}
