import { Fault } from "../../fault.ts";

/** Why a .dmg cannot be read. Each names one thing, for programs and for tests. */
export type UdifFaultCode =
  /** No trailer: no .dmg, or its end is missing. */
  | "UDIF_TRAILER"
  /** The property list or the resource fork is damaged, or lists no partition. */
  | "UDIF_RESOURCES"
  /** A partition's table is damaged. */
  | "UDIF_TABLE"
  /** The tables name a sector twice, or not at all. */
  | "UDIF_COVERAGE"
  /** Something lies outside of the file: it was cut. */
  | "UDIF_TRUNCATED"
  /** A size beyond what any disk has, or a chunk beyond what any program writes. */
  | "UDIF_TOO_LARGE"
  /** Segments are missing, or are of another image. */
  | "UDIF_SEGMENTS"
  /** A chunk does not unpack to what its table says. */
  | "UDIF_CHUNK"
  /** Content does not match a checksum. */
  | "UDIF_CHECKSUM"
  /** A checksum of a kind that bootcast does not compute. */
  | "UDIF_CHECKSUM_KIND"
  /** Compressed with LZFSE. */
  | "UDIF_CODEC_LZFSE";

const damaged =
  'Copy the .dmg again from where it came from and compare the copies. "hdiutil verify" on a Mac says whether the original is sound.';

/** A fault of a .dmg's content; unless told, the way out is a new copy. */
export function udifFault(code: UdifFaultCode, what: string, why: string, fix = damaged, cause?: unknown): Fault {
  return new Fault(code, { what, why, fix }, cause);
}
