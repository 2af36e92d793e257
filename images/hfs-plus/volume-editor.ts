import type { BlockSource, BlockTarget, ByteRange } from "../block.ts";
import { HfsPlusVolume, treePlace } from "../free-space/hfs-plus-volume.ts";
import { type BlockRun, expect, Volume } from "../free-space/volume.ts";
import { StagedBlocks } from "../staged-blocks.ts";
import {
  catalogKey,
  FOLDER_RECORD_BYTES,
  fileRecord,
  finderFlag,
  forkData,
  recordAt,
  recordFlag,
  threadRecord,
  toVolumeDate,
} from "./records.ts";
import { attributeKey } from "./tree-keys.ts";
import { HEADER_AT, HEADER_BYTES, headerAt, volumeFlag } from "./volume-header.ts";
import { idOfItem, nameInThread, type VolumeItem, VolumeReader } from "./volume-reader.ts";
import { addTo, countOf, VolumeSpace } from "./volume-space.ts";

/** `recordType` in the attributes file (hfs_format.h of xnu). */
const attributeType = { inline: 0x10, fork: 0x20 } as const;
const MOST_DEPTH = 256;
const nowhere: BlockRun = { first: 0, count: 0 };

/**
 * Changes single files of an HFS Plus volume that was unmounted cleanly and whose
 * journal is empty (the caller has looked). Everything is worked out in memory;
 * nothing is on the disk before `save`, and a change that cannot be made leaves
 * the disk as it was.
 *
 * Times of what is changed stay; so do owner, mode, flags and attributes.
 */
export class VolumeEditor {
  readonly reader: VolumeReader;
  readonly #staged: StagedBlocks;
  readonly #hfs: HfsPlusVolume;
  readonly #space: VolumeSpace;

  private constructor(staged: StagedBlocks, hfs: HfsPlusVolume, reader: VolumeReader, space: VolumeSpace) {
    this.#staged = staged;
    this.#hfs = hfs;
    this.reader = reader;
    this.#space = space;
  }

  /** @throws {Implausible} */
  static async open(source: BlockSource, { startBytes, endBytes }: ByteRange): Promise<VolumeEditor> {
    const staged = new StagedBlocks(source);
    const hfs = await HfsPlusVolume.open(new Volume(staged, startBytes, endBytes - startBytes));
    const reader = await VolumeReader.open(hfs, staged);
    const space = await VolumeSpace.open(hfs, staged);
    reader.catalog.growsBy((lengthBytes) => space.growTree(treePlace.catalog, lengthBytes));
    reader.attributes?.growsBy((lengthBytes) => space.growTree(treePlace.attributes, lengthBytes));
    return new VolumeEditor(staged, hfs, reader, space);
  }

  /** Gives a file new content. @throws {Implausible} */
  async write(item: VolumeItem, bytes: Uint8Array): Promise<void> {
    expect(item.kind === "file", "only files are written to");
    expect(!this.reader.isCompressed(item), "a compressed file is not written to");
    const { content } = item;
    const record = Buffer.from(content.record);
    const needed = Math.ceil(bytes.length / this.#hfs.blockBytes);
    let runs = await this.reader.runs(record, recordAt.dataFork);
    if (needed !== countOf(runs)) {
      await this.#space.release(this.reader, record, recordAt.dataFork);
      runs = await this.#space.take(bytes.length);
      record.set(forkData(bytes.length, runs[0] ?? nowhere), recordAt.dataFork);
    }
    record.writeBigUInt64BE(BigInt(bytes.length), recordAt.dataFork);
    await this.#space.fill(runs, bytes);
    await this.reader.catalog.replace(catalogKey(content.folderId, content.name), record);
    this.reader.forget();
  }

  /** Makes a file or a link, owned by root. @param name as it stands on the volume @throws {Implausible} */
  async create(
    folder: VolumeItem,
    name: string,
    { kind, mode, bytes, seconds }: { kind: "file" | "link"; mode: number; bytes: Uint8Array; seconds: number },
  ): Promise<void> {
    expect(folder.kind === "folder", "a folder is missing");
    const id = this.#space.newId();
    const runs = await this.#space.take(bytes.length);
    await this.#space.fill(runs, bytes);
    const typeBits = kind === "link" ? 0o120000 : 0o100000;
    const rights = { mode: typeBits | mode, uid: 0, gid: 0, changedSeconds: seconds };
    const dataFork = forkData(bytes.length, runs[0] ?? nowhere);
    const record = fileRecord({ id, rights, dataFork, ...(kind === "link" && { kind: "slnkrhap" }) });
    await this.#enter(idOfItem(folder), name, record);
  }

  /** The same file again under another name: content, owner, rights, times, small attributes. @throws {Implausible} */
  async copy(item: VolumeItem, folder: VolumeItem, name: string, mostBytes: number): Promise<void> {
    expect(item.kind === "file" && !this.reader.isCompressed(item), "only plain files are copied");
    const bytes = await this.reader.read(item, mostBytes);
    const id = this.#space.newId();
    const record = Buffer.from(item.content.record);
    record.writeUInt32BE(id, recordAt.id);
    record.writeUInt16BE(record.readUInt16BE(recordAt.flags) & ~recordFlag.hasLinkChain, recordAt.flags);
    record.writeUInt32BE(0, recordAt.valence);
    record.writeUInt32BE(0, recordAt.special);
    record.fill(0, recordAt.dataFork);
    const runs = await this.#space.take(bytes.length);
    await this.#space.fill(runs, bytes);
    record.set(forkData(bytes.length, runs[0] ?? nowhere), recordAt.dataFork);
    for (const { key, data } of await this.#attributesOf(idOfItem(item.content))) {
      if (data.readUInt32BE(0) !== attributeType.inline) continue;
      const own = Buffer.from(key);
      own.writeUInt32BE(id, 4);
      await this.reader.attributes?.insert(own, data);
    }
    await this.#enter(idOfItem(folder), name, record);
  }

  /** Removes a file, a link, or a folder with all in it. @throws {Implausible} */
  async remove(item: VolumeItem, depth = 0): Promise<void> {
    expect(depth < MOST_DEPTH, "its folders lie too deep in each other");
    expect(item.content.record === item.record, "one of several names of a file is not taken away");
    const id = idOfItem(item);
    if (item.kind === "folder") {
      for (const name of await this.#namesIn(id)) {
        const child = await this.reader.item(id, name);
        if (child !== undefined) await this.remove(child, depth + 1);
      }
    } else {
      await this.#space.release(this.reader, item.record, recordAt.dataFork);
      await this.#space.release(this.reader, item.record, recordAt.resourceFork);
    }
    for (const { key, data } of await this.#attributesOf(id)) {
      expect(data.readUInt32BE(0) === attributeType.inline, "a large attribute of its is not taken away");
      await this.reader.attributes?.remove(key);
    }
    await this.reader.catalog.remove(catalogKey(item.folderId, item.name));
    await this.#removeThread(id);
    await this.#count(item.folderId, item.kind === "folder", -1);
    addTo(this.#space.header, item.kind === "folder" ? headerAt.folderCount : headerAt.fileCount, -1);
    this.reader.forget();
  }

  /** Gives something another name, or another folder. @throws {Implausible} */
  async rename(item: VolumeItem, folder: VolumeItem, name: string): Promise<void> {
    const [id, folderId] = [idOfItem(item), idOfItem(folder)];
    const isFolder = item.kind === "folder";
    await this.reader.catalog.remove(catalogKey(item.folderId, item.name));
    await this.reader.catalog.insert(catalogKey(folderId, name), item.record);
    await this.#removeThread(id);
    const thread = threadRecord(isFolder ? "folder" : "file", folderId, name);
    await this.reader.catalog.insert(catalogKey(id, ""), thread);
    this.reader.forget();
    if (folderId === item.folderId) return;
    await this.#count(item.folderId, isFolder, -1);
    await this.#count(folderId, isFolder, 1);
  }

  /** The Finder does not show it from now on; of a link, the link itself. */
  async hide(item: VolumeItem): Promise<void> {
    const record = Buffer.from(item.record);
    record.writeUInt16BE(record.readUInt16BE(recordAt.finderFlags) | finderFlag.isInvisible, recordAt.finderFlags);
    await this.reader.catalog.replace(catalogKey(item.folderId, item.name), record);
    this.reader.forget();
  }

  /**
   * Writes all changes to the disk. Until the last of them is on it the volume says that
   * it was not unmounted: what a power cut leaves half changed nobody takes for sound.
   *
   * @param seconds the time, since 1970
   * @returns whether there was anything to write
   */
  async save(disk: BlockTarget, seconds: number): Promise<boolean> {
    if (this.#staged.changes().length === 0) return false;
    const { volume, blocks, blockBytes } = this.#hfs;
    const header = this.#space.header;
    header.writeUInt32BE((header.readUInt32BE(headerAt.writeCount) + 1) >>> 0, headerAt.writeCount);
    header.writeUInt32BE(toVolumeDate(seconds), headerAt.modified);
    // The copy is where the volume ends, which may be before its partition does.
    for (const end of new Set([volume.sizeBytes, blocks * blockBytes])) {
      const copy = await volume.read(end - HEADER_AT, 4);
      if (copy.equals(header.subarray(0, 4))) await this.#staged.write(volume.startBytes + end - HEADER_AT, header);
    }
    const headerPlace = volume.startBytes + HEADER_AT;
    const open = Buffer.from(header);
    open.writeUInt32BE((header.readUInt32BE(headerAt.attributes) & ~volumeFlag.unmounted) >>> 0, headerAt.attributes);
    await this.#staged.write(headerPlace, open);
    await disk.write(headerPlace, open);
    await disk.flush();
    for (const { at, bytes } of this.#staged.changes()) await disk.write(at, bytes);
    await disk.flush();
    await disk.write(headerPlace, header.subarray(0, HEADER_BYTES));
    await disk.flush();
    return true;
  }

  async #enter(folderId: number, name: string, record: Uint8Array): Promise<void> {
    const id = Buffer.from(record).readUInt32BE(recordAt.id);
    await this.reader.catalog.insert(catalogKey(folderId, name), record);
    await this.reader.catalog.insert(catalogKey(id, ""), threadRecord("file", folderId, name));
    await this.#count(folderId, false, 1);
    addTo(this.#space.header, headerAt.fileCount, 1);
  }

  /** Files that Mac OS 8 made may have no thread. */
  async #removeThread(id: number): Promise<void> {
    const key = catalogKey(id, "");
    if ((await this.reader.catalog.find(key)) !== undefined) await this.reader.catalog.remove(key);
  }

  /** A folder says how much is in it. */
  async #count(folderId: number, isFolder: boolean, difference: number): Promise<void> {
    const thread = await this.reader.catalog.find(catalogKey(folderId, ""));
    expect(thread !== undefined && thread.length >= 10, "a folder of its lies nowhere");
    const key = catalogKey(thread.readUInt32BE(4), nameInThread(thread));
    const found = await this.reader.catalog.find(key);
    expect(found !== undefined && found.length >= FOLDER_RECORD_BYTES, "a folder of its lies nowhere");
    const record = Buffer.from(found);
    addTo(record, recordAt.valence, difference);
    const countsFolders = (record.readUInt16BE(recordAt.flags) & recordFlag.hasFolderCount) !== 0;
    if (isFolder && countsFolders) addTo(record, recordAt.folderCount, difference);
    await this.reader.catalog.replace(key, record);
    this.reader.forget();
  }

  async #namesIn(id: number): Promise<string[]> {
    const names: string[] = [];
    for await (const { key } of this.reader.catalog.from(catalogKey(id, ""))) {
      if (key.readUInt32BE(2) !== id) break;
      names.push(Buffer.from(key.subarray(8)).swap16().toString("utf16le"));
    }
    return names.filter((name) => name !== "");
  }

  async #attributesOf(id: number): Promise<{ key: Buffer; data: Buffer }[]> {
    const found: { key: Buffer; data: Buffer }[] = [];
    for await (const record of this.reader.attributes?.from(attributeKey(id)) ?? []) {
      if (record.key.readUInt32BE(4) !== id) break;
      expect(record.data.length >= 4, "an attribute of its is damaged");
      found.push(record);
    }
    return found;
  }
}
