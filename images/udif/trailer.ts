import { CHECKSUM_BYTES, decodeChecksum, type UdifChecksum } from "./checksum.ts";
import { udifFault } from "./faults.ts";
import { readNumber, readSectors } from "./numbers.ts";

/** The trailer's length: the last 512 bytes of a .dmg and of each of its segments. */
export const TRAILER_BYTES = 512;

/** A place in the file, in bytes. */
export type Extent = { readonly offset: number; readonly length: number };

/** The trailer of a .dmg: where its parts lie. */
export type UdifTrailer = {
  readonly dataFork: Extent;
  /** Where this segment's data fork begins in that of the whole image. */
  readonly runningDataForkOffset: number;
  /** Length 0 when there is none. Only images of before 2002 have nothing else. */
  readonly resourceFork: Extent;
  /** The property list; length 0 when there is none. */
  readonly xml: Extent;
  /** From 1; older programs write 0 and 0 for the only one. */
  readonly segmentNumber: number;
  readonly segmentCount: number;
  /** The same in all segments of an image; hexadecimal. */
  readonly segmentId: string;
  /** Of the data fork as it is stored. */
  readonly dataChecksum: UdifChecksum;
  /** Of the partitions' checksums. */
  readonly masterChecksum: UdifChecksum;
  /** 1 a device with a partition map, 2 one volume. */
  readonly imageVariant: number;
  readonly sectorCount: number;
};

const MAGIC = 0x6b6f6c79; // "koly"
const VERSION = 4;

/**
 * Decodes a .dmg's trailer ("koly"). Sources: libyal/libmodi's documentation,
 * libdmg-hfsplus, and images that macOS 10.5 to 14 made.
 *
 * The flags (flattened, internet-enabled) say nothing about the content and are ignored.
 *
 * @param bytes the last 512 of the file
 * @throws {Fault} UDIF_TRAILER, UDIF_TOO_LARGE
 */
export function decodeTrailer(bytes: Uint8Array): UdifTrailer {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < TRAILER_BYTES || view.getUint32(0) !== MAGIC)
    throw noTrailer('Its last 512 bytes do not begin with "koly".');
  if (view.getUint32(4) !== VERSION) throw noTrailer(`Its trailer has version ${view.getUint32(4)} instead of 4.`);
  if (view.getUint32(8) !== TRAILER_BYTES)
    throw noTrailer(`Its trailer says that it has ${view.getUint32(8)} bytes instead of 512.`);
  const extent = (at: number, name: string): Extent => ({
    offset: readNumber(view, at, `${name}'s place`),
    length: readNumber(view, at + 8, `${name}'s length`),
  });
  return {
    runningDataForkOffset: readNumber(view, 16, "segment's place"),
    dataFork: extent(24, "data fork"),
    resourceFork: extent(40, "resource fork"),
    segmentNumber: view.getUint32(56),
    segmentCount: view.getUint32(60),
    segmentId: Buffer.from(bytes.subarray(64, 80)).toString("hex"),
    dataChecksum: decodeChecksum(view, 80),
    xml: extent(80 + CHECKSUM_BYTES, "property list"),
    masterChecksum: decodeChecksum(view, 352),
    imageVariant: view.getUint32(488),
    sectorCount: readSectors(view, 492, "number of sectors"),
  };
}

function noTrailer(why: string) {
  return udifFault(
    "UDIF_TRAILER",
    "This is no .dmg, or its end is missing.",
    why,
    "Copy or download it again. A .dmg of the kind UDRW has no trailer and is read as a raw disk image.",
  );
}
