import assert from "node:assert/strict";
import { type TreeRecord, treeFile } from "./hfsplus-tree.ts";

/** One thing in the volume. Folders on the way to it are made when they are not listed. */
export type MacEntry = {
  /** Absolute, parts of plain ASCII. */
  readonly path: string;
  /** A file's text. Without it and without a target the entry is a folder. */
  readonly content?: string;
  /** A symbolic link's target. */
  readonly target?: string;
  /** Permission bits. Default 0755 for folders and links, 0644 for files. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
};

export type MacVolume = {
  readonly sizeBytes: number;
  readonly name: string;
  /** Every date in the volume, in seconds since 1970. */
  readonly dateSeconds: number;
  /** 8 bytes. */
  readonly volumeId: Uint8Array;
  /** Path of the folder that firmware looks into for the booter. */
  readonly blessed: string;
  readonly entries: readonly MacEntry[];
};

const blockBytes = 4096;
/** Seconds from 1904, where HFS+ begins to count, to 1970. */
const epoch1904 = 2_082_844_800;
const firstUserId = 16;
const rootFolderId = 2;

type Extent = { readonly start: number; readonly count: number };
type Item = { readonly entry: MacEntry; readonly id: number; readonly parentId: number; readonly name: string };

/**
 * A small HFS+ volume as bytes: clean, not journaled, case-insensitive, every
 * file in one piece. Enough for what a Mac's disk must show to be recognised
 * and repaired: folders, files, symbolic links, owners, modes.
 * Source: Apple TN1150, "HFS Plus Volume Format".
 */
export function hfsPlusVolume(volume: MacVolume): Uint8Array {
  const image = new Uint8Array(volume.sizeBytes - (volume.sizeBytes % blockBytes));
  const totalBlocks = image.length / blockBytes;
  // Boot blocks and volume header; at the end the header's copy.
  let nextBlock = 1;
  const allocate = (bytes: number): Extent => {
    const extent = { start: nextBlock, count: Math.ceil(bytes / blockBytes) };
    nextBlock += extent.count;
    assert(nextBlock < totalBlocks, "the volume is too small for its files");
    return extent;
  };
  const place = (bytes: Uint8Array): Extent => {
    const extent = allocate(bytes.length);
    image.set(bytes, extent.start * blockBytes);
    return extent;
  };

  const items = itemsOf(volume.entries);
  const bitmapBytes = Math.ceil(totalBlocks / 8 / blockBytes) * blockBytes;
  const bitmap = allocate(bitmapBytes);
  const extents = place(treeFile([], { ...smallTree, nodeCount: 4, maxKeyBytes: 10, attributes: 2 }));
  const attributeShape = { nodeBytes: 8192, nodeCount: 2, maxKeyBytes: 266, attributes: 6, keyCompareType: 0 };
  const attributes = place(treeFile([], attributeShape));
  const catalogNodes = Math.max(16, items.length);
  const catalog = allocate(catalogNodes * blockBytes);
  const records = catalogRecords(volume, items, (bytes) => place(bytes));
  const shape = { ...smallTree, nodeCount: catalogNodes, maxKeyBytes: 516, attributes: 6 };
  image.set(treeFile(records, shape), catalog.start * blockBytes);

  for (let block = 0; block < totalBlocks; block += 1) {
    if (block < nextBlock || block === totalBlocks - 1)
      image[bitmap.start * blockBytes + (block >> 3)]! |= 0x80 >> (block & 7);
  }
  const header = volumeHeader(volume, items, { totalBlocks, nextBlock });
  const forks = [bitmap, extents, catalog, attributes];
  for (const [index, extent] of forks.entries())
    header.set(forkData(extent.count * blockBytes, extent), 112 + 80 * index);
  image.set(header, 1024);
  image.set(header, image.length - 1024);
  return image;
}

const smallTree = { nodeBytes: blockBytes, keyCompareType: 0 };

function isFolder(entry: MacEntry): boolean {
  return entry.content === undefined && entry.target === undefined;
}

/** Gives everything its catalog node id; parents come before what is in them. */
function itemsOf(entries: readonly MacEntry[]): Item[] {
  const items = new Map<string, Item>();
  const add = (entry: MacEntry): number => {
    const known = items.get(entry.path);
    if (known !== undefined) return known.id;
    const cut = entry.path.lastIndexOf("/");
    const parent = entry.path.slice(0, cut);
    const listed = entries.find(({ path }) => path === parent);
    const parentId = parent === "" ? rootFolderId : add(listed ?? { path: parent });
    const id = firstUserId + items.size;
    items.set(entry.path, { entry, id, parentId, name: entry.path.slice(cut + 1) });
    return id;
  };
  for (const entry of entries) add(entry);
  return [...items.values()];
}

function catalogRecords(volume: MacVolume, items: readonly Item[], place: (bytes: Uint8Array) => Extent): TreeRecord[] {
  const valence = (id: number) => items.filter(({ parentId }) => parentId === id).length;
  const date = volume.dateSeconds + epoch1904;
  const found: { parentId: number; name: string; data: Uint8Array }[] = [];
  const addFolder = (id: number, parentId: number, name: string, entry: MacEntry) => {
    found.push({ parentId, name, data: folderRecord(id, valence(id), date, entry) });
    found.push({ parentId: id, name: "", data: threadRecord(3, parentId, name) });
  };
  addFolder(rootFolderId, 1, volume.name, { path: "/", mode: 0o1775, gid: 80 });
  for (const { entry, id, parentId, name } of items) {
    if (isFolder(entry)) {
      addFolder(id, parentId, name, entry);
      continue;
    }
    const content = Buffer.from(entry.content ?? entry.target ?? "");
    const extent = content.length === 0 ? { start: 0, count: 0 } : place(content);
    found.push({ parentId, name, data: fileRecord(id, date, entry, forkData(content.length, extent)) });
    found.push({ parentId: id, name: "", data: threadRecord(4, parentId, name) });
  }
  const order = (text: string) => text.toLowerCase();
  found.sort((a, b) => a.parentId - b.parentId || (order(a.name) < order(b.name) ? -1 : 1));
  return found.map(({ parentId, name, data }) => ({ key: catalogKey(parentId, name), data }));
}

function catalogKey(parentId: number, name: string): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 + name.length * 2));
  view.setUint16(0, 6 + name.length * 2);
  view.setUint32(2, parentId);
  writeName(view, 6, name);
  return new Uint8Array(view.buffer);
}

function folderRecord(id: number, valence: number, date: number, entry: MacEntry): Uint8Array {
  const view = new DataView(new ArrayBuffer(88));
  view.setUint16(0, 1);
  view.setUint32(4, valence);
  view.setUint32(8, id);
  writeDatesAndOwner(view, date, entry, 0o040000 | (entry.mode ?? 0o755));
  return new Uint8Array(view.buffer);
}

function fileRecord(id: number, date: number, entry: MacEntry, dataFork: Uint8Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(248));
  const isLink = entry.target !== undefined;
  view.setUint16(0, 2);
  // The file has a thread record.
  view.setUint16(2, 2);
  view.setUint32(8, id);
  writeDatesAndOwner(view, date, entry, isLink ? 0o120000 | (entry.mode ?? 0o755) : 0o100000 | (entry.mode ?? 0o644));
  const record = new Uint8Array(view.buffer);
  if (isLink) record.set(Buffer.from("slnkrhap"), 48);
  record.set(dataFork, 88);
  return record;
}

function threadRecord(type: 3 | 4, parentId: number, name: string): Uint8Array {
  const view = new DataView(new ArrayBuffer(10 + name.length * 2));
  view.setUint16(0, type);
  view.setUint32(4, parentId);
  writeName(view, 8, name);
  return new Uint8Array(view.buffer);
}

function writeName(view: DataView, at: number, name: string): void {
  view.setUint16(at, name.length);
  for (let index = 0; index < name.length; index += 1) view.setUint16(at + 2 + index * 2, name.charCodeAt(index));
}

function writeDatesAndOwner(view: DataView, date: number, entry: MacEntry, mode: number): void {
  // Created, content changed, attributes changed, opened; never backed up.
  for (const at of [12, 16, 20, 24]) view.setUint32(at, date);
  view.setUint32(32, entry.uid ?? 0);
  view.setUint32(36, entry.gid ?? 0);
  view.setUint16(42, mode);
}

function forkData(sizeBytes: number, extent: Extent): Uint8Array {
  const view = new DataView(new ArrayBuffer(80));
  view.setBigUint64(0, BigInt(sizeBytes));
  view.setUint32(12, extent.count);
  view.setUint32(16, extent.start);
  view.setUint32(20, extent.count);
  return new Uint8Array(view.buffer);
}

function volumeHeader(
  volume: MacVolume,
  items: readonly Item[],
  blocks: { totalBlocks: number; nextBlock: number },
): Uint8Array {
  const view = new DataView(new ArrayBuffer(512));
  const header = new Uint8Array(view.buffer);
  const date = volume.dateSeconds + epoch1904;
  const folders = items.filter(({ entry }) => isFolder(entry)).length;
  const blessedId = items.find(({ entry }) => entry.path === volume.blessed)?.id ?? 0;
  header.set(Buffer.from("H+"), 0);
  view.setUint16(2, 4);
  // Unmounted cleanly.
  view.setUint32(4, 0x100);
  header.set(Buffer.from("10.0"), 8);
  for (const at of [16, 20, 28]) view.setUint32(at, date);
  view.setUint32(32, items.length - folders);
  view.setUint32(36, folders);
  view.setUint32(40, blockBytes);
  view.setUint32(44, blocks.totalBlocks);
  view.setUint32(48, blocks.totalBlocks - blocks.nextBlock - 1);
  view.setUint32(52, blocks.nextBlock);
  // Clump sizes of new resource and data forks.
  view.setUint32(56, 65_536);
  view.setUint32(60, 65_536);
  view.setUint32(64, firstUserId + items.length);
  view.setUint32(68, 1);
  // Encodings in use: MacRoman.
  view.setBigUint64(72, 1n);
  view.setUint32(80, blessedId);
  view.setUint32(100, blessedId);
  header.set(volume.volumeId, 104);
  return header;
}
