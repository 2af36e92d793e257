import { Fault } from "../fault.ts";
import { bandedSource } from "./banded-source.ts";
import type { BlockSource } from "./block.ts";
import type { ForeignChunk, ForeignRange } from "./foreign-image.ts";

/** A sparse image of macOS (.sparseimage, UDSP): the disk, and which of it is in the file. */
export type SparseImage = {
  readonly source: BlockSource;
  ranges(): Iterable<ForeignRange>;
  chunks(): Iterable<ForeignChunk>;
};

const SECTOR_BYTES = 512;
/** Each page of the table: the header's has 64 bytes before its entries, the next ones 56. */
const PAGE_BYTES = 4096;
const HEADER_BYTES = 64;
const PAGE_HEADER_BYTES = 56;
const MAGIC = 0x73707273; // "sprs"
const MAX_BAND_BYTES = 1 << 26;

/**
 * Reads the table of a sparse image. Entry i of a page holds the number of the
 * disk's band, from 1, that lies i bands behind the page; 0 is none. A band that
 * is in no page is zeros. A page whose entries are all taken names the next one.
 * Sources: images of macOS 10.8; fsdump (Gander) for images of more than one page.
 *
 * @throws {Fault} SPARSE_IMAGE_DAMAGED, SPARSE_IMAGE_TRUNCATED
 */
export async function openSparseImage(source: BlockSource): Promise<SparseImage> {
  const header = viewOf(await readPage(source, 0));
  if (header.getUint32(0) !== MAGIC) throw damaged('It does not begin with "sprs".');
  if (header.getUint32(4) !== 3) throw damaged(`It has version ${header.getUint32(4)} instead of 3.`);
  const bandBytes = header.getUint32(8) * SECTOR_BYTES;
  if (bandBytes === 0 || bandBytes > MAX_BAND_BYTES) throw damaged(`A band should have ${bandBytes} bytes.`);
  const sectors = Number(header.getBigUint64(28));
  const sizeBytes = sectors * SECTOR_BYTES;
  if (sizeBytes === 0 || !Number.isSafeInteger(sizeBytes)) throw damaged(`The disk should have ${sectors} sectors.`);
  if (sectors % 2 ** 32 !== header.getUint32(16)) throw damaged("It says the disk's size twice, and differently.");
  const placeOf = await readBandTable(source, header, { bandBytes, bands: Math.ceil(sizeBytes / bandBytes) });
  const bandsAscending = [...placeOf.keys()].sort((a, b) => a - b);
  return {
    source: bandedSource(sizeBytes, bandBytes, async (band, offset, length) => {
      const place = placeOf.get(band);
      return place === undefined ? undefined : source.read(place + offset, length);
    }),
    *ranges() {
      let at = 0;
      for (const band of bandsAscending) {
        const startBytes = band * bandBytes;
        const endBytes = Math.min(startBytes + bandBytes, sizeBytes);
        if (startBytes > at) yield { startBytes: at, endBytes: startBytes, state: "zero" };
        yield { startBytes, endBytes, state: "data" };
        at = endBytes;
      }
      if (at < sizeBytes) yield { startBytes: at, endBytes: sizeBytes, state: "zero" };
    },
    *chunks() {
      for (const band of bandsAscending) {
        const startBytes = band * bandBytes;
        const lengthBytes = Math.min(bandBytes, sizeBytes - startBytes);
        yield { startBytes, lengthBytes, fileOffset: placeOf.get(band)!, fileBytes: lengthBytes, codec: "raw" };
      }
    },
  };
}

/** Where in the file each band of the disk lies. Never more than the file has room for. */
async function readBandTable(
  source: BlockSource,
  header: DataView,
  disk: { readonly bandBytes: number; readonly bands: number },
): Promise<ReadonlyMap<number, number>> {
  const placeOf = new Map<number, number>();
  let view = header;
  for (let pageAt = 0, entriesAt = HEADER_BYTES; ; entriesAt = PAGE_HEADER_BYTES) {
    const entries = (PAGE_BYTES - entriesAt) / 4;
    for (let entry = 0; entry < entries; entry += 1) {
      const band = view.getUint32(entriesAt + entry * 4) - 1;
      if (band === -1) continue;
      const place = pageAt + PAGE_BYTES + entry * disk.bandBytes;
      if (band >= disk.bands) throw damaged(`Its table names band ${band + 1} of a disk with ${disk.bands}.`);
      if (placeOf.has(band)) throw damaged(`Its table names band ${band + 1} twice.`);
      const lengthBytes = Math.min(disk.bandBytes, source.sizeBytes - place);
      if (lengthBytes < disk.bandBytes) throw truncated(place + disk.bandBytes, source.sizeBytes);
      placeOf.set(band, place);
    }
    const next = Number(view.getBigUint64(entriesAt === HEADER_BYTES ? 20 : 12));
    if (next === 0) return placeOf;
    // Pages are written where the bands of the one before end, so there is no way back and no circle.
    const expected = pageAt + PAGE_BYTES + entries * disk.bandBytes;
    if (next !== expected) throw damaged(`The next page of its table should be at byte ${expected}, not ${next}.`);
    pageAt = next;
    view = viewOf(await readPage(source, pageAt));
    if (view.getUint32(0) !== MAGIC) throw damaged(`There is no page of its table at byte ${pageAt}.`);
  }
}

async function readPage(source: BlockSource, at: number): Promise<Uint8Array> {
  if (at + PAGE_BYTES > source.sizeBytes) throw truncated(at + PAGE_BYTES, source.sizeBytes);
  return source.read(at, PAGE_BYTES);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function damaged(why: string): Fault {
  return new Fault("SPARSE_IMAGE_DAMAGED", {
    what: "The sparse image is damaged.",
    why,
    fix: "Copy it again from where it came from, and compare the copies.",
  });
}

function truncated(expectedBytes: number, sizeBytes: number): Fault {
  return new Fault("SPARSE_IMAGE_TRUNCATED", {
    what: "The sparse image is cut off.",
    why: `Something that it lists ends at byte ${expectedBytes}, and the file has ${sizeBytes}.`,
    fix: "Copy it again from where it came from, and compare the copies.",
  });
}
