import type { KeyObject } from "node:crypto";
import { Fault } from "../fault.ts";
import { type CellMap, CellMapBuilder } from "./cell-map.ts";
import { ID_BYTES, type Manifest, packCellCount } from "./manifest.ts";
import { decodeHeader, encodeHeader, type ManifestHeader } from "./manifest-header.ts";
import { checkManifest, invalidManifest } from "./manifest-rules.ts";
import { PackTable } from "./pack-table.ts";
import { checkSignature, signDocument, TRAILER_BYTES } from "./signature.ts";

/**
 * A manifest as it is stored and sent. All numbers big-endian.
 *
 *    0  magic "bootimag"
 *    8  u16  format version, 1
 *   10  u16  0
 *   12  u32  header length
 *   16  u32  packs P
 *   20  u32  stored cells C
 *   24  u32  runs R
 *   28  u32  table cells T
 *   32  the header, canonical JSON (manifest-header.ts)
 *       P × u32  stored length of each pack
 *       P × u8   number of cells of each pack
 *       P × 32   digest of each pack
 *       C × 32   id of each stored cell
 *       R × (u32 count, u32 content)  the cells in disk order: the number of the first
 *                stored cell, or 0xffffffff for zeros, 0xfffffffe for unused
 *       T × u32  table cells
 *       32       root
 *       96       signature trailer (signature.ts)
 *
 * Everything needed for a list of images is in front, so a list reads no more.
 */
const MAGIC = Buffer.from("bootimag", "latin1");
const VERSION = 1;
const MAX_HEADER_BYTES = 1 << 20;
const ZERO = 0xffff_ffff;
const UNUSED = 0xffff_fffe;

/** The fixed part at the front of every manifest. */
export const PREFIX_BYTES = 32;

/**
 * The signed bytes of a manifest. The same manifest and key give the same bytes.
 *
 * @throws {Fault} MANIFEST_INVALID when it breaks a rule of the format
 */
export function encodeManifest(manifest: Manifest, privateKey: KeyObject): Uint8Array {
  const bytes = encodeUnsigned(manifest);
  signDocument(bytes, privateKey);
  return bytes;
}

/**
 * The same with zeros for the signature: what a host sends that captured its disk. It proves nothing; the server
 * checks all of it and signs.
 *
 * @throws {Fault} MANIFEST_INVALID
 */
export function encodeUnsigned(manifest: Manifest): Uint8Array {
  checkManifest(manifest);
  const header = encodeHeader(manifest);
  if (header.length > MAX_HEADER_BYTES) throw invalidManifest("its header is too long");
  const counts: Counts = {
    headerBytes: header.length,
    packs: manifest.packs.length,
    storedCells: manifest.cellIds.length / ID_BYTES,
    runs: manifest.cells.runCount,
    tableCells: manifest.tableCells.length,
  };
  const at = layoutOf(counts);
  const bytes = new Uint8Array(at.end);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint16(8, VERSION);
  for (const [index, count] of Object.values(counts).entries()) view.setUint32(12 + index * 4, count);
  bytes.set(header, PREFIX_BYTES);
  for (const [number, pack] of manifest.packs.entries()) {
    view.setUint32(at.storedBytes + number * 4, pack.storedBytes);
    view.setUint8(at.cellCounts + number, packCellCount(pack));
    bytes.set(Buffer.from(pack.digest, "hex"), at.digests + number * ID_BYTES);
  }
  bytes.set(manifest.cellIds, at.cellIds);
  for (let run = 0; run < counts.runs; run += 1) {
    const { state, count, firstStored } = manifest.cells.run(run);
    view.setUint32(at.runs + run * 8, count);
    view.setUint32(at.runs + run * 8 + 4, state === "zero" ? ZERO : state === "unused" ? UNUSED : firstStored);
  }
  for (const [index, cell] of manifest.tableCells.entries()) view.setUint32(at.tableCells + index * 4, cell);
  bytes.set(manifest.root, at.root);
  return bytes;
}

/**
 * Reads a manifest that one of `trusted` signed. The signature is checked before
 * anything but the lengths is looked at; then every rule of the format.
 * The result keeps views of `bytes`: do not change them afterwards.
 *
 * @throws {Fault} MANIFEST_UNKNOWN (no manifest at all), MANIFEST_VERSION,
 *   MANIFEST_TRUNCATED, MANIFEST_UNTRUSTED, MANIFEST_FORGED, MANIFEST_INVALID
 */
export function decodeManifest(bytes: Uint8Array, trusted: readonly KeyObject[]): Manifest {
  const counts = decodeCounts(bytes);
  checkSignature(bytes, trusted);
  return decodeBody(bytes, counts);
}

/**
 * Reads what `encodeUnsigned` made: every rule of the format, and no signature.
 *
 * @param mostDiskBytes a disk that is said to be larger is refused before anything is made of it
 * @throws {Fault} as `decodeManifest`, but for the signature
 */
export function decodeUnsigned(bytes: Uint8Array, mostDiskBytes: number): Manifest {
  const counts = decodeCounts(bytes);
  const { diskBytes } = decodeHeader(bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + counts.headerBytes));
  if (diskBytes > mostDiskBytes) throw invalidManifest(`its disk has ${diskBytes} bytes, more than ${mostDiskBytes}`);
  return decodeBody(bytes, counts);
}

/** Only the packs of a stored manifest, and the ids of their cells: nothing is checked but the lengths. */
export function decodePackTable(bytes: Uint8Array): PackTable {
  return decodePacks(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), decodeCounts(bytes));
}

/** What a list of images counts of a stored manifest: nothing is checked but the lengths. */
export function decodeOutline(bytes: Uint8Array): ManifestHeader & Pick<Manifest, "cells"> & { packs: PackTable } {
  const counts = decodeCounts(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const header = decodeHeader(bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + counts.headerBytes));
  return { ...header, cells: decodeRuns(view, counts), packs: decodePacks(bytes, view, counts) };
}

/** The lengths of the parts, which fill `bytes` exactly. */
function decodeCounts(bytes: Uint8Array): Counts {
  const counts = decodePrefix(bytes);
  const at = layoutOf(counts);
  if (bytes.length < at.end) throw truncated(bytes.length, at.end);
  if (bytes.length > at.end) throw invalidManifest(`${bytes.length - at.end} bytes follow its end`);
  return counts;
}

function decodeBody(bytes: Uint8Array, counts: Counts): Manifest {
  const at = layoutOf(counts);
  const header = decodeHeader(bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + counts.headerBytes));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const table = decodePacks(bytes, view, counts);
  const tableCells = Array.from({ length: counts.tableCells }, (_, index) => view.getUint32(at.tableCells + index * 4));
  const manifest: Manifest = {
    ...header,
    packs: table.entries,
    cellIds: table.cellIds,
    cells: decodeRuns(view, counts),
    tableCells,
    root: bytes.subarray(at.root, at.root + ID_BYTES),
  };
  checkManifest(manifest);
  return manifest;
}

/** What a list of images shows. Not checked against the signature. */
export type ManifestSummary = ManifestHeader & { readonly storedBytes: number; readonly packs: number };

/** How many bytes from the front `decodeSummary` needs, given at least the first `PREFIX_BYTES`. */
export function summaryBytes(prefix: Uint8Array): number {
  return layoutOf(decodePrefix(prefix)).cellCounts;
}

/** Reads the front of a manifest for a list: quick, and not to be trusted for writing anything. */
export function decodeSummary(bytes: Uint8Array): ManifestSummary {
  const counts = decodePrefix(bytes);
  const at = layoutOf(counts);
  if (bytes.length < at.cellCounts) throw truncated(bytes.length, at.cellCounts);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let storedBytes = 0;
  for (let pack = 0; pack < counts.packs; pack += 1) storedBytes += view.getUint32(at.storedBytes + pack * 4);
  const header = decodeHeader(bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + counts.headerBytes));
  return { ...header, storedBytes, packs: counts.packs };
}

// In the order of the prefix.
type Counts = {
  readonly headerBytes: number;
  readonly packs: number;
  readonly storedCells: number;
  readonly runs: number;
  readonly tableCells: number;
};

function decodePrefix(bytes: Uint8Array): Counts {
  if (Buffer.compare(bytes.subarray(0, MAGIC.length), MAGIC.subarray(0, bytes.length)) !== 0) throw unknown();
  if (bytes.length < PREFIX_BYTES) throw truncated(bytes.length, PREFIX_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = view.getUint16(8);
  if (version !== VERSION) throw otherVersion(version);
  const headerBytes = view.getUint32(12);
  if (view.getUint16(10) !== 0 || headerBytes > MAX_HEADER_BYTES)
    throw invalidManifest("its first bytes are impossible");
  return {
    headerBytes,
    packs: view.getUint32(16),
    storedCells: view.getUint32(20),
    runs: view.getUint32(24),
    tableCells: view.getUint32(28),
  };
}

function layoutOf(counts: Counts) {
  const storedBytes = PREFIX_BYTES + counts.headerBytes;
  const cellCounts = storedBytes + counts.packs * 4;
  const digests = cellCounts + counts.packs;
  const cellIds = digests + counts.packs * ID_BYTES;
  const runs = cellIds + counts.storedCells * ID_BYTES;
  const tableCells = runs + counts.runs * 8;
  const root = tableCells + counts.tableCells * 4;
  return { storedBytes, cellCounts, digests, cellIds, runs, tableCells, root, end: root + ID_BYTES + TRAILER_BYTES };
}

function decodePacks(bytes: Uint8Array, view: DataView, counts: Counts): PackTable {
  const at = layoutOf(counts);
  const storedBytes = new Uint32Array(counts.packs);
  const firstStored = new Uint32Array(counts.packs + 1);
  for (let pack = 0; pack < counts.packs; pack += 1) {
    storedBytes[pack] = view.getUint32(at.storedBytes + pack * 4);
    firstStored[pack + 1] = firstStored[pack]! + view.getUint8(at.cellCounts + pack);
  }
  // Checked here because a view of the ids would silently end where they end.
  if (firstStored[counts.packs] !== counts.storedCells) throw invalidManifest("its packs do not hold all of its cells");
  const digests = bytes.subarray(at.digests, at.cellIds);
  return new PackTable(digests, storedBytes, firstStored, bytes.subarray(at.cellIds, at.runs));
}

function decodeRuns(view: DataView, counts: Counts): CellMap {
  const { runs } = layoutOf(counts);
  const cells = new CellMapBuilder();
  for (let run = 0; run < counts.runs; run += 1) {
    const count = view.getUint32(runs + run * 8);
    const content = view.getUint32(runs + run * 8 + 4);
    // Joined runs and empty ones would give one manifest two spellings.
    if (count === 0 || cells.length + count > UNUSED)
      throw invalidManifest("a run of its cells has an impossible length");
    if (content === ZERO) cells.zero(count);
    else if (content === UNUSED) cells.unused(count);
    else cells.data(content, count);
  }
  const map = cells.finish();
  if (map.runCount !== counts.runs) throw invalidManifest("two runs of its cells are one");
  return map;
}

function unknown(): Fault {
  return new Fault("MANIFEST_UNKNOWN", {
    what: "This is not the manifest of a bootcast image.",
    why: "It does not begin as one.",
    fix: 'Give the name of an imported image ("bootcast image list"), or import the file first.',
  });
}

function otherVersion(version: number): Fault {
  return new Fault("MANIFEST_VERSION", {
    what: `The image's manifest has format version ${version}; this bootcast reads version ${VERSION}.`,
    why: "It was made by another version of bootcast.",
    fix: "Use the same version of bootcast everywhere, and build the boot image again after an update.",
  });
}

function truncated(have: number, need: number): Fault {
  return new Fault("MANIFEST_TRUNCATED", {
    what: `The image's manifest ends after ${have} of ${need} bytes.`,
    why: "It was cut off on the way, or its disk was full.",
    fix: 'Try again; if it stays, run "bootcast image verify" on the server.',
  });
}
