import type { BlockSource, BlockTarget, ByteRange } from "../block.ts";
import { HIDDEN_LIST_FILE, hiddenList, invisibleItems, readsHiddenList } from "../clean-up/invisible-items.ts";
import type { CleanUpChange, CleanUpStep } from "../clean-up/step.ts";
import { decodeFork, FileInRuns, HfsPlusVolume } from "../free-space/hfs-plus-volume.ts";
import { Volume } from "../free-space/volume.ts";
import { type AddedFile, applyPlan } from "./apply-plan.ts";
import { planHfsPlus } from "./clean-up-plan.ts";
import { ROOT_FOLDER_ID, recordAt, recordType } from "./records.ts";

/** Where Mac OS X says which it is. */
export const SYSTEM_VERSION_FILE = "System/Library/CoreServices/SystemVersion.plist";
const MOST_SYSTEM_VERSION_BYTES = 1 << 16;

export type HfsPlusCleanUpOptions = {
  readonly steps: readonly CleanUpStep[];
  /** The image's tag file, and the folders of which the first that is there gets it. */
  readonly tag?: {
    readonly folders: readonly string[];
    readonly name: string;
    readonly text: string;
    readonly changedSeconds: number;
  };
};

export type CleanedVolume = {
  readonly changes: readonly CleanUpChange[];
  /** Below the volume's root; undefined when none was written. */
  readonly tagFile: string | undefined;
  /** Paths that a step wanted to change and could not. */
  readonly kept: readonly string[];
};

/**
 * Cleans an HFS+ volume up. What changes is written to `disk`; `source` is what
 * the disk was, and is only read. The volume must be known to be sound
 * (`readHfsPlusFreeSpace`).
 *
 * @throws {Implausible} before anything was written, or with `disk` to be thrown away
 */
export async function cleanUpHfsPlus(
  source: BlockSource,
  disk: BlockSource & BlockTarget,
  { startBytes, endBytes }: ByteRange,
  { steps, tag }: HfsPlusCleanUpOptions,
): Promise<CleanedVolume> {
  const hfs = await HfsPlusVolume.open(new Volume(source, startBytes, endBytes - startBytes));
  const systemVersion = await readText(hfs, SYSTEM_VERSION_FILE);
  const plan = await planHfsPlus(hfs, steps, systemVersion !== undefined);
  const changes = [...plan.changes];
  const removed = new Map(plan.removed);
  const files: AddedFile[] = [];
  if (systemVersion !== undefined && steps.includes(invisibleItems) && readsHiddenList(systemVersion)) {
    if ((await find(hfs, HIDDEN_LIST_FILE)) === undefined) {
      const place = { folderId: ROOT_FOLDER_ID, name: HIDDEN_LIST_FILE, mode: 0o444, changedSeconds: 0 };
      files.push({ ...place, bytes: Buffer.from(hiddenList()) });
      changes.push({ step: invisibleItems.name, path: HIDDEN_LIST_FILE, action: "hide" });
    }
  }
  let tagFile: string | undefined;
  for (const folder of tag?.folders ?? []) {
    const found = await find(hfs, folder);
    if (tag === undefined || found?.type !== recordType.folder || removed.has(found.id)) continue;
    const before = await find(hfs, `${folder}/${tag.name}`);
    if (before?.type === recordType.folder) continue;
    tagFile = `${folder}/${tag.name}`;
    if (before !== undefined) removed.set(before.id, { folderId: found.id, isFolder: false });
    const { name, text, changedSeconds } = tag;
    files.push({ folderId: found.id, name, mode: 0o644, bytes: Buffer.from(text), changedSeconds });
    break;
  }
  if (changes.length > 0 || files.length > 0) await applyPlan(hfs, disk, { ...plan, removed }, files);
  return { changes, tagFile, kept: plan.kept };
}

type Found = { readonly id: number; readonly type: number; readonly data: Buffer };

/** An entry by its path, spelled as it is on the volume. */
async function find(hfs: HfsPlusVolume, path: string): Promise<Found | undefined> {
  let folderId = ROOT_FOLDER_ID;
  let found: Found | undefined;
  for (const part of path.split("/")) {
    if (found !== undefined && found.type !== recordType.folder) return undefined;
    found = undefined;
    for await (const { name, data } of hfs.children(folderId)) {
      if (name !== part || data.length < 88) continue;
      found = { id: data.readUInt32BE(recordAt.id), type: data.readUInt16BE(0), data };
      break;
    }
    if (found === undefined) return undefined;
    folderId = found.id;
  }
  return found;
}

async function readText(hfs: HfsPlusVolume, path: string): Promise<string | undefined> {
  const found = await find(hfs, path);
  if (found?.type !== recordType.file || found.data.length < 248) return undefined;
  const fork = decodeFork(found.data.subarray(recordAt.dataFork, recordAt.resourceFork));
  const runs = await hfs.allRuns(fork, found.id);
  const length = Math.min(fork.sizeBytes, MOST_SYSTEM_VERSION_BYTES);
  return (await new FileInRuns(hfs.volume, runs, hfs.blockBytes).read(0, length)).toString("latin1");
}
