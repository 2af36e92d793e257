import type { CleanUpAction, CleanUpChange, CleanUpStep } from "../clean-up/step.ts";
import { type HfsPlusVolume, treePlace } from "../free-space/hfs-plus-volume.ts";
import { expect } from "../free-space/volume.ts";
import { fromVolumeName } from "./names.ts";
import {
  FILE_RECORD_BYTES,
  FIRST_USER_ID,
  FOLDER_RECORD_BYTES,
  finderFlag,
  ROOT_FOLDER_ID,
  recordAt,
  recordFlag,
  recordType,
} from "./records.ts";

/** What is to be changed on an HFS+ volume that is there already. */
export type HfsPlusPlan = {
  readonly changes: readonly CleanUpChange[];
  /** By id; the entry's own folder, and whether it is one itself. */
  readonly removed: ReadonlyMap<number, { readonly folderId: number; readonly isFolder: boolean }>;
  readonly emptied: ReadonlySet<number>;
  readonly hidden: ReadonlySet<number>;
  /** Paths of names of shared files: taking one away would change the others. */
  readonly kept: readonly string[];
};

type Folder = { readonly parentId: number; readonly name: string; readonly flags: number };
type FolderState = {
  readonly path: string;
  /** It or a folder above it is removed. */
  readonly isRemoved: boolean;
  /** The volume's own, as that of shared files. */
  readonly isPrivate: boolean;
};

const MOST_DEPTH = 1024;
const privateFolder = /^(\0\0\0\0HFS\+ Private Data|\.HFS\+ Private Directory Data\r)$/;

/**
 * Decides what becomes of everything in a volume. Only its folders are kept in memory.
 *
 * @param isMac whether Mac OS X is on it
 * @throws {Implausible}
 */
export async function planHfsPlus(
  hfs: HfsPlusVolume,
  steps: readonly CleanUpStep[],
  isMac: boolean,
): Promise<HfsPlusPlan> {
  const folders = await foldersOf(hfs);
  const states = new Map<number, FolderState>();
  const changes: CleanUpChange[] = [];
  const removed = new Map<number, { folderId: number; isFolder: boolean }>();
  const [emptied, hidden] = [new Set<number>(), new Set<number>()];
  const kept: string[] = [];

  const stateOf = (id: number, depth = 0): FolderState => {
    const known = states.get(id);
    if (known !== undefined) return known;
    if (id === ROOT_FOLDER_ID) return { path: "", isRemoved: false, isPrivate: false };
    const folder = folders.get(id);
    expect(folder !== undefined && depth < MOST_DEPTH, "a folder of its lies nowhere");
    const parent = stateOf(folder.parentId, depth + 1);
    const path = parent.path === "" ? fromVolumeName(folder.name) : `${parent.path}/${fromVolumeName(folder.name)}`;
    const isPrivate = parent.isPrivate || (folder.parentId === ROOT_FOLDER_ID && privateFolder.test(folder.name));
    const action = parent.isRemoved || isPrivate ? undefined : decide(path, "folder", folder.flags, id);
    const isRemoved = parent.isRemoved || action === "remove";
    if (isRemoved) removed.set(id, { folderId: folder.parentId, isFolder: true });
    const state = { path, isRemoved, isPrivate };
    states.set(id, state);
    return state;
  };
  const decide = (
    path: string,
    kind: "file" | "folder" | "link" | "other",
    finderFlags: number,
    id: number,
  ): CleanUpAction | undefined => {
    for (const step of steps) {
      const action = step.on({ path, kind, isOnMac: isMac });
      if (action === undefined) continue;
      if (action === "hide") {
        if ((finderFlags & finderFlag.isInvisible) !== 0) return undefined;
        hidden.add(id);
      }
      changes.push({ step: step.name, path, action });
      return action;
    }
    return undefined;
  };

  for await (const { key, data } of catalogOf(hfs)) {
    const type = data.readUInt16BE(0);
    if (type !== recordType.file && type !== recordType.folder) continue;
    const id = data.readUInt32BE(recordAt.id);
    if (type === recordType.folder) {
      if (id >= FIRST_USER_ID) stateOf(id);
      continue;
    }
    const folderId = key.readUInt32BE(2);
    const parent = stateOf(folderId);
    if (id < FIRST_USER_ID || parent.isPrivate) continue;
    const name = fromVolumeName(nameOf(key));
    const path = parent.path === "" ? name : `${parent.path}/${name}`;
    const kind = kindOf(data);
    const isShared = isNameOfShared(data);
    if (isShared) {
      const wanted = steps.some((step) => ["remove", "empty"].includes(step.on({ path, kind, isOnMac: isMac }) ?? ""));
      if (parent.isRemoved || wanted) {
        kept.push(path);
        keepFolders(folderId, folders, removed);
      }
      continue;
    }
    const action = parent.isRemoved ? "remove" : decide(path, kind, data.readUInt16BE(recordAt.finderFlags), id);
    if (action === "remove") removed.set(id, { folderId, isFolder: false });
    if (action === "empty") emptied.add(id);
  }
  changes.sort((one, other) => (one.path < other.path ? -1 : 1));
  return { changes, removed, emptied, hidden, kept };
}

/** The catalog's records, each of a known kind and whole. @throws {Implausible} */
export async function* catalogOf(hfs: HfsPlusVolume): AsyncGenerator<{ readonly key: Buffer; readonly data: Buffer }> {
  for await (const record of hfs.records(treePlace.catalog)) {
    const { data } = record;
    const neededBytes = data.length < 2 ? undefined : recordBytes.get(data.readUInt16BE(0));
    expect(neededBytes !== undefined && data.length >= neededBytes, "a record of its catalog is damaged");
    yield record;
  }
}

const recordBytes: ReadonlyMap<number, number> = new Map([
  [recordType.folder, FOLDER_RECORD_BYTES],
  [recordType.file, FILE_RECORD_BYTES],
  [recordType.folderThread, 10],
  [recordType.fileThread, 10],
]);

async function foldersOf(hfs: HfsPlusVolume): Promise<Map<number, Folder>> {
  const folders = new Map<number, Folder>();
  for await (const { key, data } of catalogOf(hfs)) {
    if (data.readUInt16BE(0) !== recordType.folder) continue;
    folders.set(data.readUInt32BE(recordAt.id), {
      parentId: key.readUInt32BE(2),
      name: nameOf(key),
      flags: data.readUInt16BE(recordAt.finderFlags),
    });
  }
  return folders;
}

/** A folder with something in it that stays is not removed, nor are those above it. */
function keepFolders(id: number, folders: ReadonlyMap<number, Folder>, removed: Map<number, unknown>): void {
  for (let at = id; at !== ROOT_FOLDER_ID && removed.delete(at); at = folders.get(at)!.parentId);
}

export function nameOf(key: Buffer): string {
  const end = 8 + key.readUInt16BE(6) * 2;
  expect(end <= key.length, "a name of its catalog is damaged");
  return Buffer.from(key.subarray(8, end)).swap16().toString("utf16le");
}

/** A file with several names, or (since 10.5) a folder with several. */
function isNameOfShared(data: Buffer): boolean {
  const kind = data.toString("latin1", 48, 56);
  return (
    (data.readUInt16BE(recordAt.flags) & recordFlag.hasLinkChain) !== 0 || kind === "hlnkhfs+" || kind === "fdrpMACS"
  );
}

function kindOf(data: Buffer): "file" | "link" | "other" {
  const type = data.readUInt16BE(42) & 0o170000;
  // Files that Mac OS 9 made have no mode.
  return type === 0o100000 || type === 0 ? "file" : type === 0o120000 ? "link" : "other";
}
