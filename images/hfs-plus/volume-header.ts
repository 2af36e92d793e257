import { toVolumeDate } from "./records.ts";

/** The volume header lies so far into the volume, and its copy so far before the end. */
export const HEADER_AT = 1024;
export const HEADER_BYTES = 512;

/** Offsets of what is changed in a header that is there already. */
export const headerAt = {
  attributes: 4,
  modified: 20,
  fileCount: 32,
  folderCount: 36,
  blockBytes: 40,
  totalBlocks: 44,
  freeBlocks: 48,
  nextCatalogId: 64,
  writeCount: 68,
  allocationFork: 112,
  extentsFork: 192,
  catalogFork: 272,
  attributesFork: 352,
} as const;

/** `attributes` of a volume. */
export const volumeFlag = { unmounted: 0x100, idsReused: 0x1000 } as const;

export type HeaderFields = {
  readonly dateSeconds: number;
  readonly files: number;
  /** Without the root. */
  readonly folders: number;
  readonly blockBytes: number;
  readonly totalBlocks: number;
  readonly freeBlocks: number;
  readonly nextFreeBlock: number;
  readonly nextCatalogId: number;
  /** The folder with the booter; 0 for none. */
  readonly blessedId: number;
  /** 8 bytes. */
  readonly volumeId: Uint8Array;
  /** Fork data of allocation, extents, catalog and attributes file. */
  readonly forks: readonly Uint8Array[];
};

/** The header of an HFS Plus volume that was unmounted and has no journal (TN1150). */
export function volumeHeader(fields: HeaderFields): Uint8Array {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES));
  const header = new Uint8Array(view.buffer);
  const date = toVolumeDate(fields.dateSeconds);
  header.set(Buffer.from("H+"), 0);
  view.setUint16(2, 4);
  view.setUint32(headerAt.attributes, volumeFlag.unmounted);
  // Who mounted it last: Mac OS X, without a journal.
  header.set(Buffer.from("10.0"), 8);
  for (const at of [16, 20, 28]) view.setUint32(at, date);
  view.setUint32(headerAt.fileCount, fields.files);
  view.setUint32(headerAt.folderCount, fields.folders);
  view.setUint32(headerAt.blockBytes, fields.blockBytes);
  view.setUint32(headerAt.totalBlocks, fields.totalBlocks);
  view.setUint32(headerAt.freeBlocks, fields.freeBlocks);
  view.setUint32(52, fields.nextFreeBlock);
  // Clump sizes of new resource and data forks.
  view.setUint32(56, 65_536);
  view.setUint32(60, 65_536);
  view.setUint32(headerAt.nextCatalogId, fields.nextCatalogId);
  view.setUint32(headerAt.writeCount, 1);
  // Encodings in use: MacRoman.
  view.setBigUint64(72, 1n);
  view.setUint32(80, fields.blessedId);
  view.setUint32(100, fields.blessedId);
  header.set(fields.volumeId, 104);
  for (const [index, fork] of fields.forks.entries()) header.set(fork, headerAt.allocationFork + 80 * index);
  return header;
}
