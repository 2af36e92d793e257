import type { BlockSource, BlockTarget } from "../block.ts";
import {
  decodeExtents,
  decodeFork,
  FileInRuns,
  type ForkType,
  forkType,
  type HfsPlusVolume,
  treePlace,
} from "../free-space/hfs-plus-volume.ts";
import { type BlockRun, expect } from "../free-space/volume.ts";
import { COMPRESSED_ATTRIBUTE, decompressed, IS_COMPRESSED } from "./compressed-file.ts";
import { fromVolumeName, toVolumeName } from "./names.ts";
import {
  catalogKey,
  FILE_RECORD_BYTES,
  FOLDER_RECORD_BYTES,
  FORK_BYTES,
  finderFlag,
  fromVolumeDate,
  PRIVATE_FOLDER,
  ROOT_FOLDER_ID,
  recordAt,
  recordType,
} from "./records.ts";
import { type KeyOrder, TreeEditor } from "./tree-editor.ts";
import { attributeKey, attributeOrder, catalogOrder, extentKey, extentOrder } from "./tree-keys.ts";

/** kHFSBinaryCompare, of a case-sensitive HFSX (TN1150). */
const BINARY_COMPARE = 0xbc;
const ATTRIBUTE_INLINE = 0x10;
const MOST_KNOWN = 4096;

/** One thing in a folder. */
export type VolumeItem = {
  readonly folderId: number;
  /** As it stands on the volume. */
  readonly name: string;
  readonly kind: "folder" | "file" | "link" | "other";
  readonly record: Buffer;
  /** Where the content is: its own place, or that of the file that several names share. */
  readonly content: { readonly folderId: number; readonly name: string; readonly record: Buffer };
};

export function idOfItem({ record }: Pick<VolumeItem, "record">): number {
  return record.readUInt32BE(recordAt.id);
}

/** The trees of a volume, as they are on `disk` by now, and what can be read by them. */
export class VolumeReader {
  readonly hfs: HfsPlusVolume;
  readonly disk: BlockSource & BlockTarget;
  readonly catalog: TreeEditor;
  readonly extents: TreeEditor | undefined;
  readonly attributes: TreeEditor | undefined;
  readonly order: KeyOrder;
  readonly #known = new Map<string, VolumeItem | undefined>();

  private constructor(
    hfs: HfsPlusVolume,
    disk: BlockSource & BlockTarget,
    order: KeyOrder,
    trees: { catalog: TreeEditor; extents: TreeEditor | undefined; attributes: TreeEditor | undefined },
  ) {
    this.hfs = hfs;
    this.disk = disk;
    this.order = order;
    this.catalog = trees.catalog;
    this.extents = trees.extents;
    this.attributes = trees.attributes;
  }

  /** @throws {Implausible} */
  static async open(hfs: HfsPlusVolume, disk: BlockSource & BlockTarget): Promise<VolumeReader> {
    const shape = await hfs.treeShape(treePlace.catalog);
    const order = catalogOrder(shape?.keyCompareType === BINARY_COMPARE);
    const catalog = await TreeEditor.open(hfs, disk, treePlace.catalog, order);
    expect(catalog !== undefined, "it has no catalog");
    return new VolumeReader(hfs, disk, order, {
      catalog,
      extents: await TreeEditor.open(hfs, disk, treePlace.extents, extentOrder),
      attributes: await TreeEditor.open(hfs, disk, treePlace.attributes, attributeOrder),
    });
  }

  /** What lies at a path, "/" being the root; links are not followed. @throws {Implausible} */
  async at(path: string): Promise<VolumeItem | undefined> {
    if (this.#known.has(path)) return this.#known.get(path);
    const cut = path.lastIndexOf("/");
    const item = path === "/" ? await this.#root() : await this.#below(path.slice(0, cut) || "/", path.slice(cut + 1));
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(path, item);
    return item;
  }

  /** Something was changed: what is known of places is old. */
  forget(): void {
    this.#known.clear();
  }

  /** @param name as it stands on the volume */
  async item(folderId: number, name: string): Promise<VolumeItem | undefined> {
    // An empty name is that of a thread.
    if (name === "") return undefined;
    const key = Buffer.from(catalogKey(folderId, name));
    for await (const { key: found, data } of this.catalog.from(key)) {
      if (this.order(found, key) !== 0) return undefined;
      // As it is written there, which may be in another case.
      const written = Buffer.from(found.subarray(8)).swap16().toString("utf16le");
      return this.#itemOf(folderId, written, data);
    }
    return undefined;
  }

  /** Names in a folder, as paths have them. */
  async names(folder: VolumeItem): Promise<string[]> {
    const id = idOfItem(folder);
    const names: string[] = [];
    for await (const { key } of this.catalog.from(catalogKey(id, ""))) {
      if (key.readUInt32BE(2) !== id) break;
      const name = Buffer.from(key.subarray(8)).swap16().toString("utf16le");
      // The first is the folder's own thread.
      if (name !== "" && !isPrivate(id, name)) names.push(fromVolumeName(name));
    }
    return names;
  }

  sizeBytes({ content }: VolumeItem): number {
    return content.record.length < FILE_RECORD_BYTES ? 0 : Number(content.record.readBigUInt64BE(recordAt.dataFork));
  }

  modifiedSeconds({ content }: VolumeItem): number {
    return fromVolumeDate(content.record.readUInt32BE(recordAt.contentChanged));
  }

  isInvisible({ record }: VolumeItem): boolean {
    return (record.readUInt16BE(recordAt.finderFlags) & finderFlag.isInvisible) !== 0;
  }

  isCompressed({ content }: VolumeItem): boolean {
    return (content.record.readUInt8(recordAt.ownerFlags) & IS_COMPRESSED) !== 0;
  }

  /** @throws {Implausible}, {Fault} COMPRESSED_UNKNOWN */
  async read(item: VolumeItem, mostBytes: number): Promise<Buffer> {
    const data = await this.#fork(item, recordAt.dataFork, mostBytes);
    if (data.length > 0 || !this.isCompressed(item)) return data;
    const attribute = await this.attribute(idOfItem(item.content), COMPRESSED_ATTRIBUTE);
    if (attribute === undefined) return data;
    return decompressed(attribute, () => this.#fork(item, recordAt.resourceFork, mostBytes), mostBytes);
  }

  /** A small attribute of a file; undefined when it has none of it. */
  async attribute(id: number, name: string): Promise<Buffer | undefined> {
    const data = await this.attributes?.find(attributeKey(id, name));
    if (data === undefined || data.length < 16 || data.readUInt32BE(0) !== ATTRIBUTE_INLINE) return undefined;
    const length = data.readUInt32BE(12);
    expect(16 + length <= data.length, "an attribute of its is damaged");
    return data.subarray(16, 16 + length);
  }

  /** All stretches of a fork as it is by now: those beyond eight are in the extents overflow file. */
  async runs(record: Buffer, forkAt: number): Promise<BlockRun[]> {
    const fork = decodeFork(record.subarray(forkAt, forkAt + FORK_BYTES));
    const type: ForkType = forkAt === recordAt.dataFork ? forkType.data : forkType.resource;
    const runs = [...fork.runs];
    for await (const { data } of this.moreExtents(record.readUInt32BE(recordAt.id), type))
      runs.push(...decodeExtents(data));
    const blocks = runs.reduce((sum, { count }) => sum + count, 0);
    expect(blocks === fork.blocks, "a file is not where it says");
    return runs;
  }

  /** The records of a fork in the extents overflow file. */
  async *moreExtents(id: number, type: ForkType): AsyncGenerator<{ readonly key: Buffer; readonly data: Buffer }> {
    if (this.extents === undefined) return;
    for await (const record of this.extents.from(extentKey(id, type))) {
      if (record.key.readUInt32BE(4) !== id || record.key.readUInt8(2) !== type) return;
      expect(record.data.length >= 64, "an extent of its is damaged");
      yield record;
    }
  }

  async #below(parent: string, name: string): Promise<VolumeItem | undefined> {
    const folder = await this.at(parent);
    return folder?.kind === "folder" ? this.item(idOfItem(folder), toVolumeName(name)) : undefined;
  }

  async #root(): Promise<VolumeItem | undefined> {
    const thread = await this.catalog.find(catalogKey(ROOT_FOLDER_ID, ""));
    expect(thread !== undefined && thread.length >= 10, "its root is missing");
    return this.item(thread.readUInt32BE(4), nameInThread(thread));
  }

  async #fork({ content }: VolumeItem, forkAt: number, mostBytes: number): Promise<Buffer> {
    if (content.record.length < FILE_RECORD_BYTES) return Buffer.alloc(0);
    const length = Number(content.record.readBigUInt64BE(forkAt));
    expect(length <= mostBytes, "a file is larger than it may be");
    const { hfs, disk } = this;
    const runs = await this.runs(content.record, forkAt);
    return length === 0 ? Buffer.alloc(0) : new FileInRuns(hfs.volume.on(disk), runs, hfs.blockBytes).read(0, length);
  }

  async #itemOf(folderId: number, name: string, record: Buffer): Promise<VolumeItem> {
    const type = record.length < 2 ? 0 : record.readUInt16BE(0);
    const isFolder = type === recordType.folder;
    const leastBytes = isFolder ? FOLDER_RECORD_BYTES : FILE_RECORD_BYTES;
    const isItem = (isFolder || type === recordType.file) && record.length >= leastBytes;
    expect(isItem, "a record of its catalog is damaged");
    const own = { folderId, name, record };
    if (isFolder) return { ...own, kind: "folder", content: own };
    if (record.toString("latin1", 48, 56) !== "hlnkhfs+") return { ...own, kind: kindOf(record), content: own };
    const content = await this.#sharedFile(record.readUInt32BE(recordAt.special));
    return { ...own, kind: kindOf(content.record), content };
  }

  /** TN1150, "Hard Links": the names lead to a file in a folder that no path leads to. */
  async #sharedFile(number: number): Promise<VolumeItem["content"]> {
    const folder = await this.catalog.find(catalogKey(ROOT_FOLDER_ID, PRIVATE_FOLDER));
    expect(folder !== undefined && folder.length >= FOLDER_RECORD_BYTES, "a file with several names is missing");
    const folderId = folder.readUInt32BE(recordAt.id);
    const name = `iNode${number}`;
    const record = await this.catalog.find(catalogKey(folderId, name));
    expect(record !== undefined && record.length >= FILE_RECORD_BYTES, "a file with several names is missing");
    return { folderId, name, record };
  }
}

export function nameInThread(thread: Buffer): string {
  const end = 10 + thread.readUInt16BE(8) * 2;
  expect(end <= thread.length, "a thread of its catalog is damaged");
  return Buffer.from(thread.subarray(10, end)).swap16().toString("utf16le");
}

function isPrivate(folderId: number, name: string): boolean {
  return folderId === ROOT_FOLDER_ID && (name === PRIVATE_FOLDER || name === ".HFS+ Private Directory Data\r");
}

function kindOf(record: Buffer): "file" | "link" | "other" {
  const type = record.readUInt16BE(recordAt.mode) & 0o170000;
  // Files that Mac OS 9 made have no mode.
  return type === 0o100000 || type === 0 ? "file" : type === 0o120000 ? "link" : "other";
}
