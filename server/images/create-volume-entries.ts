import type { Stats } from "node:fs";
import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import {
  HIDDEN_LIST_FILE,
  hiddenList,
  invisibleItems,
  readsHiddenList,
} from "../../images/clean-up/invisible-items.ts";
import type { CleanUpChange, CleanUpStep } from "../../images/clean-up/step.ts";
import { SYSTEM_VERSION_FILE } from "../../images/hfs-plus/clean-up.ts";
import type { VolumeEntry } from "../../images/hfs-plus/entry.ts";
import { MOST_NAME_UNITS, toVolumeName } from "../../images/hfs-plus/names.ts";
import { finderFlag } from "../../images/hfs-plus/records.ts";
import { decideCleanUp, kindOf } from "./create-clean-up.ts";
import { type ImageTagText, TAG_FILE_FOLDERS, TAG_FILE_NAME, tagFileText } from "./create-tag-file.ts";

/** What a folder's HFS+ volume will hold. */
export type FolderEntries = {
  readonly entries: readonly VolumeEntry[];
  /** Names in the folder, by entry. */
  readonly names: readonly string[];
  /** By entry: what is not read from the folder. */
  readonly written: ReadonlyMap<number, Uint8Array>;
  readonly changes: readonly CleanUpChange[];
  readonly tagFile: string | undefined;
  /** Sockets: they are made by the programs that listen. */
  readonly leftOut: number;
};

/**
 * Lists a folder as the entries of an HFS+ volume, cleaned up: the folder
 * itself does not change. What is mounted in it stays an empty folder.
 *
 * @throws {Fault} NAME_REFUSED
 */
export async function volumeEntries(
  root: string,
  options: { readonly steps: readonly CleanUpStep[]; readonly tag?: ImageTagText; readonly signal?: AbortSignal },
): Promise<FolderEntries> {
  const { steps, tag, signal } = options;
  const systemVersion = await readFile(join(root, SYSTEM_VERSION_FILE), "latin1").catch(() => undefined);
  const { dev } = await lstat(root);
  const entries: VolumeEntry[] = [];
  const names: string[] = [];
  const written = new Map<number, Uint8Array>();
  const changes: CleanUpChange[] = [];
  const folders = new Map<string, number>();
  const tagged = tag && (await tagFolder(root));
  let leftOut = 0;
  const add = (entry: VolumeEntry, name: string) => names.push(name) && entries.push(entry) - 1;
  const addWritten = (folder: number, name: string, mode: number, text: string, changedSeconds: number) => {
    const bytes = Buffer.from(text);
    const rights = { mode: 0o100000 | mode, uid: 0, gid: 0, changedSeconds };
    written.set(add({ folder, name, kind: "file", rights, sizeBytes: bytes.length }, name), bytes);
  };

  const waiting = [{ path: "", folder: -1 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    signal?.throwIfAborted();
    for (const name of await namesIn(root, next.path)) {
      const path = next.path === "" ? name : `${next.path}/${name}`;
      if (path === `${tagged}/${TAG_FILE_NAME}`) continue;
      const found = await lstat(join(root, path));
      if (found.isSocket()) {
        leftOut += 1;
        continue;
      }
      const change = decideCleanUp({ path, kind: kindOf(found), isOnMac: systemVersion !== undefined }, steps);
      if (change !== undefined) changes.push(change);
      if (change?.action === "remove") continue;
      const entry = add(entryOf(next.folder, name, path, found, change?.action), name);
      if (!found.isDirectory()) continue;
      folders.set(path, entry);
      if (found.dev === dev) waiting.push({ path, folder: entry });
    }
  }
  if (systemVersion !== undefined && steps.includes(invisibleItems) && readsHiddenList(systemVersion)) {
    const isThere = entries.some(({ folder, name }) => folder === -1 && name === HIDDEN_LIST_FILE);
    if (!isThere) {
      addWritten(-1, HIDDEN_LIST_FILE, 0o444, hiddenList(), 0);
      changes.push({ step: invisibleItems.name, path: HIDDEN_LIST_FILE, action: "hide" });
    }
  }
  const tagFolderEntry = tagged === undefined ? undefined : folders.get(tagged);
  if (tag !== undefined && tagFolderEntry !== undefined)
    addWritten(tagFolderEntry, TAG_FILE_NAME, 0o644, tagFileText(tag), tag.createdAtMs / 1000);
  changes.sort((one, other) => (one.path < other.path ? -1 : 1));
  const tagFile = tagFolderEntry === undefined ? undefined : `${tagged}/${TAG_FILE_NAME}`;
  return { entries, names, written, changes, tagFile, leftOut };
}

function entryOf(
  folder: number,
  name: string,
  path: string,
  found: Stats,
  action: CleanUpChange["action"] | undefined,
): VolumeEntry {
  const kind = found.isFile() ? "file" : found.isDirectory() ? "folder" : found.isSymbolicLink() ? "link" : "special";
  const { mode, uid, gid, mtimeMs, nlink, dev, ino, size } = found;
  const hasContent = (kind === "file" && action !== "empty") || kind === "link";
  return {
    folder,
    name: nameOf(name, path),
    kind,
    rights: { mode, uid, gid, changedSeconds: mtimeMs / 1000, ...(kind === "special" && { special: deviceOf(found) }) },
    sizeBytes: hasContent ? size : 0,
    ...(action === "hide" && { finderFlags: finderFlag.isInvisible }),
    ...(kind === "file" && nlink > 1 && action !== "empty" && { sharedAs: `${dev}:${ino}` }),
  };
}

/** In one order on every machine, so that the same folder gives the same volume. */
async function namesIn(root: string, folder: string): Promise<string[]> {
  const names = await readdir(join(root, folder), { encoding: "buffer" });
  return names.sort(Buffer.compare).map((bytes) => {
    try {
      return utf8.decode(bytes);
    } catch (error) {
      throw nameRefused(join(folder, bytes.toString("latin1")), "It is not UTF-8.", error);
    }
  });
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function nameOf(name: string, path: string): string {
  const onVolume = toVolumeName(name);
  if (onVolume.length > MOST_NAME_UNITS)
    throw nameRefused(path, `It has ${onVolume.length} characters there, and ${MOST_NAME_UNITS} is the most.`);
  return onVolume;
}

/** The first log folder that is a real one: a link in a copied system may lead out of it. */
async function tagFolder(root: string): Promise<string | undefined> {
  for (const folder of TAG_FILE_FOLDERS) {
    const parts = folder.split("/");
    const found = await Promise.all(
      parts.map((_, at) => lstat(join(root, ...parts.slice(0, at + 1))).catch(() => undefined)),
    );
    if (found.every((part) => part?.isDirectory() === true)) return folder;
  }
  return undefined;
}

/** Mac OS X has the major number in the highest byte, Linux in two pieces (sys/types.h of both). */
function deviceOf({ rdev }: Stats): number {
  const major = (rdev >>> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return (((major & 0xff) << 24) | (minor & 0xffffff)) >>> 0;
}

function nameRefused(path: string, why: string, cause?: unknown): Fault {
  return new Fault(
    "NAME_REFUSED",
    {
      what: `The name of "${path}" cannot be on an HFS+ volume.`,
      why,
      fix: 'Rename it, or make an ext4 volume: "--file-system ext4".',
    },
    cause,
  );
}
