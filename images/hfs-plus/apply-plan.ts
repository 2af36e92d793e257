import type { BlockSource, BlockTarget } from "../block.ts";
import { decodeExtents, decodeFork, forkType, type HfsPlusVolume, treePlace } from "../free-space/hfs-plus-volume.ts";
import { type BlockRun, expect } from "../free-space/volume.ts";
import { BlockMap } from "./block-map.ts";
import { catalogOf, type HfsPlusPlan, nameOf } from "./clean-up-plan.ts";
import { compareNames } from "./names.ts";
import {
  catalogKey,
  FORK_BYTES,
  fileRecord,
  finderFlag,
  forkData,
  recordAt,
  recordFlag,
  recordType,
  threadRecord,
} from "./records.ts";
import { rewriteTree } from "./rewrite-tree.ts";
import type { TreeRecord } from "./tree-builder.ts";
import { HEADER_AT, headerAt, volumeFlag } from "./volume-header.ts";

/** A file that a volume gets besides, in a folder where its name is not taken. Owned by root. */
export type AddedFile = {
  readonly folderId: number;
  /** Plain ASCII. */
  readonly name: string;
  readonly mode: number;
  readonly bytes: Uint8Array;
  readonly changedSeconds: number;
};

/** kHFSBinaryCompare, of a case-sensitive HFSX (TN1150). */
const BINARY_COMPARE = 0xbc;
/** `recordType` in the attributes file (hfs_format.h of xnu). */
const attributeType = { fork: 0x20, extents: 0x30 } as const;
const attributeBytes: ReadonlyMap<number, number> = new Map([
  [attributeType.fork, 8 + FORK_BYTES],
  [attributeType.extents, 72],
]);

/**
 * Carries a plan out: trees are written anew without what was removed, its
 * blocks become free, header and counts follow. All of it goes to `disk`, which
 * must not be what `hfs` reads.
 *
 * @throws {Implausible} when the volume is not what it says, or has no room for the files
 */
export async function applyPlan(
  hfs: HfsPlusVolume,
  disk: BlockSource & BlockTarget,
  plan: HfsPlusPlan,
  files: readonly AddedFile[],
): Promise<void> {
  const freed: BlockRun[] = [];
  const blocks = await BlockMap.open(hfs, disk);
  const nextId = hfs.header.readUInt32BE(headerAt.nextCatalogId);
  const areIdsReused = (hfs.header.readUInt32BE(headerAt.attributes) & volumeFlag.idsReused) !== 0;
  expect(files.length === 0 || !areIdsReused, "the numbers of its files began again, so none is known to be free");
  const placed: PlacedFile[] = [];
  for (const [index, file] of files.entries())
    placed.push({ ...file, id: nextId + index, run: await blocks.take(file.bytes.length) });
  for (const { run, bytes } of placed) {
    const whole = new Uint8Array(run.count * hfs.blockBytes);
    whole.set(bytes);
    await disk.write(hfs.volume.startBytes + run.first * hfs.blockBytes, whole);
  }
  await rewriteTree(hfs, disk, treePlace.catalog, catalogRecords(hfs, plan, placed, freed));
  if (await holdsRemoved(hfs, plan, "extents")) await rewriteTree(hfs, disk, treePlace.extents, keptExtents(hfs, plan));
  if (await holdsRemoved(hfs, plan, "attributes"))
    await rewriteTree(hfs, disk, treePlace.attributes, keptAttributes(hfs, plan, freed));
  for (const run of freed) await blocks.mark(run, false);
  await writeHeader(hfs, disk, plan, placed, freed);
}

type PlacedFile = AddedFile & { readonly id: number; readonly run: BlockRun };

async function* catalogRecords(
  hfs: HfsPlusVolume,
  plan: HfsPlusPlan,
  files: readonly PlacedFile[],
  freed: BlockRun[],
): AsyncGenerator<TreeRecord> {
  const shape = await hfs.treeShape(treePlace.catalog);
  const isCaseSensitive = shape?.keyCompareType === BINARY_COMPARE;
  const isBefore = (one: Buffer, other: Buffer) =>
    (one.readUInt32BE(2) - other.readUInt32BE(2) || compareNames(nameOf(one), nameOf(other), isCaseSensitive)) < 0;
  const waiting = files.flatMap(recordsOf).sort((one, other) => (isBefore(one.key, other.key) ? -1 : 1));
  const inFolder = entriesLess(plan, files);
  for await (const { key, data } of catalogOf(hfs)) {
    while (waiting.length > 0 && isBefore(waiting[0]!.key, key)) yield waiting.shift()!;
    const type = data.readUInt16BE(0);
    const isEntry = type === recordType.file || type === recordType.folder;
    const id = isEntry ? data.readUInt32BE(recordAt.id) : key.readUInt32BE(2);
    if (plan.removed.has(id)) {
      if (type === recordType.file) freed.push(...(await blocksOf(hfs, data, id)));
      continue;
    }
    if (!isEntry) {
      yield { key, data };
      continue;
    }
    const record = Buffer.from(data);
    const less = inFolder.get(id);
    if (type === recordType.folder && less !== undefined) {
      add(record, recordAt.valence, -less.entries);
      if ((record.readUInt16BE(recordAt.flags) & recordFlag.hasFolderCount) !== 0)
        add(record, recordAt.folderCount, -less.folders);
    }
    if (plan.emptied.has(id)) {
      freed.push(...(await blocksOf(hfs, data, id)));
      record.fill(0, recordAt.dataFork, recordAt.resourceFork + FORK_BYTES);
    }
    if (plan.hidden.has(id))
      record.writeUInt16BE(record.readUInt16BE(recordAt.finderFlags) | finderFlag.isInvisible, recordAt.finderFlags);
    yield { key, data: record };
  }
  yield* waiting;
}

function recordsOf(file: PlacedFile): { key: Buffer; data: Uint8Array }[] {
  const { folderId, name, mode, bytes, changedSeconds, id, run } = file;
  const rights = { mode: 0o100000 | mode, uid: 0, gid: 0, changedSeconds };
  const dataFork = forkData(bytes.length, run);
  return [
    { key: Buffer.from(catalogKey(folderId, name)), data: fileRecord({ id, rights, dataFork }) },
    { key: Buffer.from(catalogKey(id, "")), data: threadRecord("file", folderId, name) },
  ];
}

/** By folder, how many entries it loses (less than none when it gets some), and how many of them are folders. */
function entriesLess(plan: HfsPlusPlan, files: readonly PlacedFile[]) {
  const less = new Map<number, { entries: number; folders: number }>();
  const add = (folderId: number, entries: number, folders: number) => {
    const before = less.get(folderId) ?? { entries: 0, folders: 0 };
    less.set(folderId, { entries: before.entries + entries, folders: before.folders + folders });
  };
  for (const { folderId, isFolder } of plan.removed.values()) add(folderId, 1, isFolder ? 1 : 0);
  for (const { folderId } of files) add(folderId, -1, 0);
  return less;
}

async function blocksOf(hfs: HfsPlusVolume, data: Buffer, id: number): Promise<BlockRun[]> {
  const fork = (at: number) => decodeFork(data.subarray(at, at + FORK_BYTES));
  return [
    ...(await hfs.allRuns(fork(recordAt.dataFork), id, forkType.data)),
    ...(await hfs.allRuns(fork(recordAt.resourceFork), id, forkType.resource)),
  ];
}

/** In the keys of both trees stands the file's id at byte 4. */
async function holdsRemoved(hfs: HfsPlusVolume, plan: HfsPlusPlan, tree: "extents" | "attributes"): Promise<boolean> {
  if ((await hfs.treeShape(treePlace[tree])) === undefined) return false;
  for await (const { key } of hfs.records(treePlace[tree])) {
    const id = key.readUInt32BE(4);
    if (plan.removed.has(id) || (tree === "extents" && plan.emptied.has(id))) return true;
  }
  return false;
}

async function* keptExtents(hfs: HfsPlusVolume, plan: HfsPlusPlan): AsyncGenerator<TreeRecord> {
  for await (const record of hfs.records(treePlace.extents)) {
    const id = record.key.readUInt32BE(4);
    if (!plan.removed.has(id) && !plan.emptied.has(id)) yield record;
  }
}

async function* keptAttributes(hfs: HfsPlusVolume, plan: HfsPlusPlan, freed: BlockRun[]): AsyncGenerator<TreeRecord> {
  for await (const { key, data } of hfs.records(treePlace.attributes)) {
    if (!plan.removed.has(key.readUInt32BE(4))) {
      yield { key, data };
      continue;
    }
    const type = data.length < 4 ? undefined : data.readUInt32BE(0);
    expect(type !== undefined && data.length >= (attributeBytes.get(type) ?? 0), "an attribute of its is damaged");
    if (type === attributeType.fork) freed.push(...decodeFork(data.subarray(8, 8 + FORK_BYTES)).runs);
    if (type === attributeType.extents) freed.push(...decodeExtents(data.subarray(8, 72)));
  }
}

async function writeHeader(
  hfs: HfsPlusVolume,
  disk: BlockTarget,
  plan: HfsPlusPlan,
  files: readonly PlacedFile[],
  freed: readonly BlockRun[],
): Promise<void> {
  const { volume } = hfs;
  const header = Buffer.from(hfs.header);
  const folders = [...plan.removed.values()].filter(({ isFolder }) => isFolder).length;
  const blocks = (runs: readonly BlockRun[]) => runs.reduce((sum, { count }) => sum + count, 0);
  add(header, headerAt.fileCount, files.length - (plan.removed.size - folders));
  add(header, headerAt.folderCount, -folders);
  add(header, headerAt.freeBlocks, blocks(freed) - blocks(files.map(({ run }) => run)));
  add(header, headerAt.nextCatalogId, files.length);
  header.writeUInt32BE((hfs.header.readUInt32BE(headerAt.writeCount) + 1) >>> 0, headerAt.writeCount);
  await disk.write(volume.startBytes + HEADER_AT, header);
  // The copy is where the volume ends, which may be before its partition does.
  for (const end of new Set([volume.sizeBytes, hfs.blocks * hfs.blockBytes])) {
    const at = end - HEADER_AT;
    const copy = await volume.read(at, 4);
    if (copy.equals(hfs.header.subarray(0, 4))) await disk.write(volume.startBytes + at, header);
  }
}

/** Changes a count. */
function add(record: Buffer, at: number, difference: number): void {
  const count = record.readUInt32BE(at) + difference;
  expect(count >= 0 && count <= 0xffffffff, "its counts of files are wrong");
  record.writeUInt32BE(count, at);
}
