import type { BlockRun } from "../free-space/volume.ts";

/** Seconds from 1904, where HFS Plus begins to count, to 1970. */
const EPOCH_1904 = 2_082_844_800;
export const ROOT_FOLDER_ID = 2;
export const FIRST_USER_ID = 16;

/** `recordType` in the catalog (TN1150). */
export const recordType = { folder: 1, file: 2, folderThread: 3, fileThread: 4 } as const;
/** `finderFlags` (Finder.h). */
export const finderFlag = { isInvisible: 0x4000, nameLocked: 0x1000 } as const;
/** `flags` of a catalog record (hfs_format.h of xnu). */
export const recordFlag = { hasThread: 0x2, hasFolderCount: 0x10, hasLinkChain: 0x20 } as const;

/** Offsets in the record of a folder or a file. */
export const recordAt = {
  flags: 2,
  valence: 4,
  id: 8,
  contentChanged: 16,
  owner: 32,
  ownerFlags: 41,
  mode: 42,
  special: 44,
  finderFlags: 56,
  folderCount: 84,
  dataFork: 88,
  resourceFork: 168,
} as const;

/** Where files with several names are: it sorts behind every other name, and no path leads to it. */
export const PRIVATE_FOLDER = "\0\0\0\0HFS+ Private Data";

export const FORK_BYTES = 80;
export const FOLDER_RECORD_BYTES = 88;
export const FILE_RECORD_BYTES = 248;

/** Owner, rights and time of one entry; `mode` with the bits of its type (stat.h). */
export type Rights = {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly changedSeconds: number;
  /** A device's number, a link's target, or how many links there are: `special` of HFSPlusBSDInfo. */
  readonly special?: number;
};

/** Seconds since 1970 as HFS Plus has them: it ends in 2040. */
export function toVolumeDate(seconds: number): number {
  return Math.min(Math.max(Math.floor(seconds) + EPOCH_1904, 0), 0xffffffff);
}

/** The reverse; what has no date is as old as can be. */
export function fromVolumeDate(seconds: number): number {
  return seconds - EPOCH_1904;
}

export function catalogKey(parentId: number, name: string): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 + name.length * 2));
  view.setUint16(0, 6 + name.length * 2);
  view.setUint32(2, parentId);
  writeName(view, 6, name);
  return new Uint8Array(view.buffer);
}

export function folderRecord(id: number, valence: number, rights: Rights, finderFlags = 0): Uint8Array {
  const view = new DataView(new ArrayBuffer(FOLDER_RECORD_BYTES));
  view.setUint16(0, recordType.folder);
  view.setUint32(recordAt.valence, valence);
  view.setUint32(recordAt.id, id);
  writeRights(view, rights);
  view.setUint16(recordAt.finderFlags, finderFlags);
  return new Uint8Array(view.buffer);
}

export type FileRecord = {
  readonly id: number;
  readonly rights: Rights;
  readonly dataFork: Uint8Array;
  /** Type and creator, four letters each. */
  readonly kind?: string;
  readonly finderFlags?: number;
  /** With the first link's id, of a file that several names share. */
  readonly linkChain?: number;
};

export function fileRecord({ id, rights, dataFork, kind, finderFlags, linkChain }: FileRecord): Uint8Array {
  const view = new DataView(new ArrayBuffer(FILE_RECORD_BYTES));
  const record = new Uint8Array(view.buffer);
  view.setUint16(0, recordType.file);
  view.setUint16(recordAt.flags, recordFlag.hasThread | (linkChain === undefined ? 0 : recordFlag.hasLinkChain));
  view.setUint32(4, linkChain ?? 0);
  view.setUint32(recordAt.id, id);
  writeRights(view, rights);
  if (kind !== undefined) record.set(Buffer.from(kind, "latin1"), 48);
  view.setUint16(recordAt.finderFlags, finderFlags ?? 0);
  record.set(dataFork, recordAt.dataFork);
  return record;
}

export function threadRecord(type: "folder" | "file", parentId: number, name: string): Uint8Array {
  const view = new DataView(new ArrayBuffer(10 + name.length * 2));
  view.setUint16(0, type === "folder" ? recordType.folderThread : recordType.fileThread);
  view.setUint32(4, parentId);
  writeName(view, 8, name);
  return new Uint8Array(view.buffer);
}

/** A fork in one piece; of no blocks where it is empty. */
export function forkData(sizeBytes: number, { first, count }: BlockRun, clumpBytes = 0): Uint8Array {
  const view = new DataView(new ArrayBuffer(FORK_BYTES));
  view.setBigUint64(0, BigInt(sizeBytes));
  view.setUint32(8, clumpBytes);
  view.setUint32(12, count);
  view.setUint32(16, count === 0 ? 0 : first);
  view.setUint32(20, count);
  return new Uint8Array(view.buffer);
}

function writeName(view: DataView, at: number, name: string): void {
  view.setUint16(at, name.length);
  for (let index = 0; index < name.length; index += 1) view.setUint16(at + 2 + index * 2, name.charCodeAt(index));
}

function writeRights(view: DataView, { mode, uid, gid, changedSeconds, special }: Rights): void {
  // Created, content changed, attributes changed, opened: one time for all, so that the same folder gives the
  // same volume again. Never backed up.
  for (const at of [12, 16, 20, 24]) view.setUint32(at, toVolumeDate(changedSeconds));
  view.setUint32(32, uid);
  view.setUint32(36, gid);
  view.setUint16(42, mode);
  view.setUint32(44, special ?? 0);
}
