import { realpath, stat } from "node:fs/promises";
import { thisMachine } from "../../agent/machine/machine-files.ts";
import { Fault } from "../../fault.ts";
import type { CleanUpChange } from "../../images/clean-up/step.ts";
import { stepsWithout } from "../../images/clean-up/steps.ts";
import type { UnusedCellsOptions } from "../../images/unused-cells.ts";
import { cleanDisk } from "../../server/images/clean-disk.ts";
import { volumeOfFolder } from "../../server/images/create-from-folder.ts";
import type { FileSource } from "../../server/images/file-source.ts";
import { isSparseBundle } from "../../server/images/sparse-bundle-folder.ts";
import { builderName } from "../../server/store/image-import.ts";
import { say } from "../terminal/output.ts";
import { fileSourceOf, openImageFile } from "./file.ts";
import { type FreeSpaceFlags, freeSpaceOf } from "./free-space-flags.ts";
import type { PassphraseFlags } from "./passphrase.ts";
import { refuseSourceInUse } from "./source-in-use.ts";

export type CreateSourceFlags = PassphraseFlags &
  FreeSpaceFlags & {
    readonly name: string;
    readonly notes: string;
    readonly without: readonly string[];
    readonly asIs?: boolean;
    readonly fileSystem?: "ext4" | "hfsplus";
  };

/** What an image is made of: a disk, or the volume of a folder; cleaned up. */
export type CreateSource = {
  readonly source: FileSource;
  readonly freeSpace: UnusedCellsOptions;
  readonly changes: readonly CleanUpChange[];
  readonly tagFiles: readonly string[];
  /** What could not be cleaned up, and why: one sentence each. */
  readonly notPossible: readonly string[];
  /** Takes away what was made for it. */
  close(): Promise<void>;
};

/**
 * Opens what `bootcast image create` makes an image of. Nothing is written to it.
 *
 * @throws {Fault} USAGE, CLEAN_UP_UNKNOWN, SOURCE_IN_USE, and those of `volumeOfFolder`, `openImage` and `cleanDisk`
 */
export async function openCreateSource(
  path: string,
  flags: CreateSourceFlags,
  now: number,
  signal: AbortSignal,
): Promise<CreateSource> {
  const { name, notes, fileSystem, without, asIs } = flags;
  const { steps, hasTagFile } = asIs === true ? { steps: [], hasTagFile: false } : stepsWithout(without);
  const found = await stat(path).catch(() => undefined);
  const sourcePath = found === undefined ? path : await realpath(path);
  const tag = hasTagFile ? { name, notes, source: sourcePath, builder: builderName(), createdAtMs: now } : undefined;
  const cleanUp = { steps, log: say, signal, ...(tag && { tag }) };
  if (found?.isDirectory() === true && !(await isSparseBundle(path))) {
    if (process.getuid?.() !== 0) say("warning: without root the image's files belong to you, not to their owners.");
    const volume = await volumeOfFolder(path, { ...cleanUp, name, fileSystem: fileSystem ?? "ext4" });
    const { source, changes, tagFile, remove } = volume;
    const tagFiles = tagFile === undefined ? [] : [tagFile];
    return { source, freeSpace: { dirty: flags.dirty }, changes, tagFiles, notPossible: [], close: remove };
  }
  if (fileSystem !== undefined) throw noFileSystem(path);
  if (found !== undefined) refuseSourceInUse(sourcePath, found, thisMachine);
  const image = await openImageFile(path, flags, { signal });
  const isRaw = image.format === "raw" && image.layers.length === 0;
  try {
    const freeSpace = freeSpaceOf(flags, path, image, signal);
    const close = () => image.close();
    if (steps.length === 0 && tag === undefined)
      return { source: fileSourceOf(image), freeSpace, changes: [], tagFiles: [], notPossible: [], close };
    const cleaned = await cleanDisk(fileSourceOf(image), { ...cleanUp, path: isRaw ? sourcePath : undefined });
    return { ...cleaned, freeSpace, close: () => cleaned.close().then(close, close) };
  } catch (error) {
    await image.close();
    throw error;
  }
}

function noFileSystem(path: string): Fault {
  return new Fault("USAGE", {
    what: `--file-system cannot be given for ${path}.`,
    why: "It says what a folder becomes; a disk has its file systems.",
    fix: "Leave it away.",
  });
}
