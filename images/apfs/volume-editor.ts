import { expect } from "../free-space/volume.ts";
import type { ContainerEditor } from "./container-editor.ts";
import {
  compareKeys,
  contentRecord,
  entryType,
  INODE_BYTES,
  inodeAt,
  inodeRecord,
  KEEPS_COUNTS,
  keyOf,
  type NewEntry,
  nameRecord,
  recordKind,
} from "./file-records.ts";
import { isSameName, type NameRule } from "./names.ts";
import { addTo, isWhole, numberAt, objectAt } from "./object.ts";
import { ObjectMap, objectMapAt } from "./object-map.ts";
import { recordsIn } from "./tree.ts";
import { type NodeHome, TreeEditor } from "./tree-editor.ts";

/** apfs_superblock_t of the Apple File System Reference. */
const at = {
  readOnlyFeatures: 48,
  features: 56,
  quota: 80,
  taken: 88,
  treeType: 116,
  objectMap: 128,
  tree: 136,
  revertTo: 160,
  nextFileId: 176,
  files: 184,
  folders: 192,
  snapshots: 216,
  takenEver: 224,
  changed: 256,
  flags: 264,
  rootOf: 968,
  encryption: 976,
  integrity: 1024,
} as const;
const CASE_INSENSITIVE = 0x1;
const SNAPSHOTS_WITHOUT_DATA = 0x2;
const CASE_SENSITIVE = 0x8;
const SEALED = 0x20;
const UNENCRYPTED = 0x1;
const PLACE_OF_TREES = 0xc000_0000;
const TREE_NODE = 0x3;
const VIRTUAL_NODE = 0x0000_0000;
const PHYSICAL_NODE = 0x4000_0000;
/** BTREE_KV_NONALIGNED, from the end of a root. */
const UNALIGNED = { at: 40, flag: 0x40 } as const;
const ROOT_FOLDER = 2;
const MOST_CHILDREN = 2 ** 31;
/** Above it are the numbers of the system beside which this volume lies. */
const FILE_IDS_END = 0x0800_0000_0000_0000;

/** Puts files into a volume of a container. Nothing that is there is replaced or removed. */
export class ApfsVolumeEditor {
  readonly #container: ContainerEditor;
  readonly #place: number;
  readonly #superblock: Buffer;
  readonly #objects: ObjectMap;
  /** The transaction up to which it holds; 0: there is none. */
  readonly #newestSnapshot: number;
  readonly #rule: NameRule;
  readonly #files: TreeEditor;
  readonly #map: TreeEditor;

  private constructor(container: ContainerEditor, place: number, superblock: Buffer, objects: ObjectMap) {
    this.#container = container;
    this.#place = place;
    this.#superblock = superblock;
    this.#objects = objects;
    const hasSnapshots = objects.header.readUInt32LE(objectMapAt.snapshots) > 0;
    this.#newestSnapshot = hasSnapshots ? numberAt(objects.header, objectMapAt.newestSnapshot) : 0;
    this.#rule = { isCaseSensitive: (superblock.readUInt32LE(at.features) & CASE_SENSITIVE) !== 0 };
    this.#files = new TreeEditor(this.#fileNodes(), numberAt(superblock, at.tree), {
      isFixed: false,
      compare: compareKeys,
    });
    this.#map = new TreeEditor(this.#mapNodes(), objects.treeBlock, { isFixed: true, compare: compareMapKeys });
  }

  /** @param id of `ApfsVolume` @throws {Implausible} when it is damaged, or nothing may be changed in it */
  static async open(container: ContainerEditor, id: number): Promise<ApfsVolumeEditor> {
    const { block: place } = await container.objects.find(id);
    const superblock = Buffer.from(await container.blocks.read(place));
    expect(isWhole(superblock) && superblock.toString("latin1", 32, 36) === "APSB", "it is damaged");
    checkVolume(superblock);
    const objects = await ObjectMap.open(container.blocks, numberAt(superblock, at.objectMap));
    const snapshots = objects.header.readUInt32LE(objectMapAt.snapshots);
    expect(snapshots === numberAt(superblock, at.snapshots), "its snapshots are damaged");
    const isNewer = numberAt(objects.header, objectMapAt.newestSnapshot) < container.transaction;
    expect(snapshots === 0 || isNewer, "its newest state is a snapshot");
    expect(objects.header.readBigUInt64LE(objectMapAt.revert) === 0n, "it was being put back to a snapshot");
    const root = await container.blocks.read((await objects.find(numberAt(superblock, at.tree))).block);
    const isKnown = (root.readUInt32LE(root.length - UNALIGNED.at) & UNALIGNED.flag) !== 0;
    expect(isKnown, "its tree of files is of another kind");
    return new ApfsVolumeEditor(container, place, superblock, objects);
  }

  /**
   * Puts in a file that only root may write to, and the folders above it that are not there.
   *
   * @param path ASCII, as "Library/LaunchDaemons/one.plist"
   * @param options.now nanoseconds since 1970
   * @throws {Implausible} also when there is something of this name
   */
  async addFile(path: string, content: Uint8Array, { now }: { readonly now: bigint }): Promise<void> {
    const names = path.split("/");
    const fileName = names.pop()!;
    let folder = ROOT_FOLDER;
    for (const name of names) {
      const found = await this.#child(folder, name);
      expect(found === undefined || found.isFolder, `${name} in it is no folder`);
      folder = found?.id ?? (await this.#add("folder", folder, name, now));
    }
    expect((await this.#child(folder, fileName)) === undefined, `${path} is there already`);
    const file = await this.#add("file", folder, fileName, now, content.length);
    const record = contentRecord(file, content);
    expect(record !== undefined, `${path} is too large to be put in`);
    await this.#files.put(record);
    this.#superblock.writeBigUInt64LE(now, at.changed);
    await this.#container.blocks.seal(this.#place, this.#superblock);
  }

  async #child(folder: number, name: string): Promise<{ id: number; isFolder: boolean } | undefined> {
    const blockOf = async (id: number) => (await this.#objects.find(id)).block;
    const tree = { rootBlock: await blockOf(numberAt(this.#superblock, at.tree)), blockOf };
    const start = keyOf(folder, recordKind.name);
    const isInside = (key: Buffer) => compareKeys(key.subarray(0, 8), start);
    for await (const { key, value } of recordsIn(this.#container.blocks, tree, isInside)) {
      expect(value.length >= 18 && key.length > 12, "a name in it is damaged");
      if (isSameName(key.toString("utf8", 12, key.length - 1), name, this.#rule))
        return { id: numberAt(value, 0), isFolder: (value.readUInt16LE(16) & 0xf) === entryType.folder };
    }
    return undefined;
  }

  async #add(kind: NewEntry["kind"], parentId: number, name: string, now: bigint, contentBytes = 0): Promise<number> {
    const id = numberAt(this.#superblock, at.nextFileId);
    expect(id < FILE_IDS_END, "it has no number for one more file");
    addTo(this.#superblock, at.nextFileId, 1);
    addTo(this.#superblock, kind === "file" ? at.files : at.folders, 1);
    const entry = { kind, id, parentId, name, rule: this.#rule, now };
    await this.#files.put(inodeRecord(entry, contentBytes));
    await this.#files.put(nameRecord(entry));
    const key = keyOf(parentId, recordKind.inode);
    const parent = await this.#files.get(key);
    expect(parent !== undefined && parent.length >= INODE_BYTES, "a folder in it is damaged");
    expect((numberAt(parent, inodeAt.flags) & KEEPS_COUNTS) === 0, "a folder in it keeps count of what is below");
    const value = Buffer.from(parent);
    const children = value.readUInt32LE(inodeAt.children) + 1;
    expect(children < MOST_CHILDREN, "a folder in it is damaged");
    value.writeUInt32LE(children, inodeAt.children);
    value.writeBigUInt64LE(now, inodeAt.modified);
    value.writeBigUInt64LE(now, inodeAt.changed);
    await this.#files.put({ key, value });
    return id;
  }

  #fileNodes(): NodeHome {
    const { blocks, transaction } = this.#container;
    return {
      read: async (id) => {
        const { block, flags } = await this.#objects.find(id);
        expect(flags === 0, "its files are encrypted, or of another kind");
        const node = await blocks.read(block);
        expect(isWhole(node) && numberAt(node, objectAt.id) === id, `its block ${block} is damaged`);
        return node;
      },
      write: async (id, node) => {
        const place = await this.#objects.find(id);
        // A snapshot keeps what it had; from this transaction on the object is elsewhere.
        const isShared = place.transaction <= this.#newestSnapshot;
        if (isShared) node.writeBigUInt64LE(BigInt(transaction), objectAt.transaction);
        await blocks.seal(isShared ? await this.#newPlace(id) : place.block, node);
      },
      add: async (header) => {
        const id = await this.#container.newId();
        await this.#newPlace(id);
        return { id, block: newNode(header, { id, transaction, type: VIRTUAL_NODE | TREE_NODE }) };
      },
    };
  }

  /** The nodes of its map of objects know each other by their blocks. */
  #mapNodes(): NodeHome {
    const { blocks, transaction } = this.#container;
    return {
      read: async (id) => {
        const node = await blocks.read(id);
        expect(isWhole(node) && numberAt(node, objectAt.id) === id, `its block ${id} is damaged`);
        return node;
      },
      write: async (id, node) => {
        // A node is as new as what is in it and below.
        node.writeBigUInt64LE(BigInt(transaction), objectAt.transaction);
        await blocks.seal(id, node);
      },
      add: async (header) => {
        const id = await this.#takeBlock();
        return { id, block: newNode(header, { id, transaction, type: PHYSICAL_NODE | TREE_NODE }) };
      },
    };
  }

  /** Gives an object another block from this transaction on. */
  async #newPlace(id: number): Promise<number> {
    const block = await this.#takeBlock();
    const key = Buffer.alloc(16);
    key.writeBigUInt64LE(BigInt(id));
    key.writeBigUInt64LE(BigInt(this.#container.transaction), 8);
    const value = Buffer.alloc(16);
    value.writeUInt32LE(this.#container.blocks.blockBytes, 4);
    value.writeBigUInt64LE(BigInt(block), 8);
    await this.#map.put({ key, value });
    return block;
  }

  async #takeBlock(): Promise<number> {
    const quota = numberAt(this.#superblock, at.quota);
    expect(quota === 0 || numberAt(this.#superblock, at.taken) < quota, "it may not become larger");
    addTo(this.#superblock, at.taken, 1);
    addTo(this.#superblock, at.takenEver, 1);
    return this.#container.takeBlock();
  }
}

function checkVolume(superblock: Buffer): void {
  const features = numberAt(superblock, at.features);
  expect((features & SEALED) === 0 && numberAt(superblock, at.integrity) === 0, "it is sealed");
  const isEncrypted = (superblock.readUInt32LE(at.flags) & UNENCRYPTED) === 0;
  expect(!isEncrypted && numberAt(superblock, at.encryption) === 0, "it is encrypted");
  const names = features & (CASE_INSENSITIVE | CASE_SENSITIVE);
  const isKnown = features === (names | (features & SNAPSHOTS_WITHOUT_DATA));
  expect(
    isKnown &&
      (names === CASE_INSENSITIVE || names === CASE_SENSITIVE) &&
      numberAt(superblock, at.readOnlyFeatures) === 0,
    "it is newer than what is known here",
  );
  expect((superblock.readUInt32LE(at.treeType) & PLACE_OF_TREES) === 0, "its tree of files is of another kind");
  const isItself = numberAt(superblock, at.revertTo) === 0 && numberAt(superblock, at.rootOf) === 0;
  expect(isItself, "it was being put back to a snapshot");
}

function newNode(model: Buffer, { id, transaction, type }: { id: number; transaction: number; type: number }): Buffer {
  const node = Buffer.from(model);
  node.writeBigUInt64LE(BigInt(id), objectAt.id);
  node.writeBigUInt64LE(BigInt(transaction), objectAt.transaction);
  node.writeUInt32LE(type, objectAt.type);
  return node;
}

/** By the object's number, and then by the transaction. */
function compareMapKeys(one: Buffer, other: Buffer): number {
  const ids = numberAt(one, 0) - numberAt(other, 0);
  return ids === 0 ? numberAt(one, 8) - numberAt(other, 8) : ids;
}
