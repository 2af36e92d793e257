import { realpath } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import type { BlockSource, ByteRange } from "../../images/block.ts";
import type { CleanUpChange, CleanUpStep } from "../../images/clean-up/step.ts";
import { readFreeSpace } from "../../images/free-space/read.ts";
import { Implausible, Volume } from "../../images/free-space/volume.ts";
import { type CleanedVolume, cleanUpHfsPlus } from "../../images/hfs-plus/clean-up.ts";
import type { OverlaySource } from "../../images/overlay-source.ts";
import { readDiskLayout } from "../../images/partition-table.ts";
import { type FoundVolume, volumesOf } from "../../images/unused-cells.ts";
import { type ChangeableDisk, changeable } from "./changes-file.ts";
import { cleanUpExt } from "./clean-ext.ts";
import { type ImageTagText, TAG_FILE_FOLDERS, TAG_FILE_NAME, tagFileText } from "./create-tag-file.ts";
import type { FileSource } from "./file-source.ts";

export type CleanDiskOptions = {
  /** The file or device that `source` is read from, where it holds the raw disk: ext volumes need one. */
  readonly path: string | undefined;
  readonly steps: readonly CleanUpStep[];
  readonly tag?: ImageTagText;
  /** Where what changes is for a while. Default: TMPDIR, else /var/tmp. */
  readonly directory?: string;
  /** Hears what is done now: one sentence. */
  readonly log?: (message: string) => void;
  readonly signal?: AbortSignal;
};

/** A disk, cleaned up; the one that it was made of did not change. */
export type CleanedDisk = {
  /** To be closed with `close`. */
  readonly source: FileSource;
  /** Paths with their volume before them, where there are partitions: "partition 2 (ext4): var/log/syslog.1". */
  readonly changes: readonly CleanUpChange[];
  readonly tagFiles: readonly string[];
  /** What could not be cleaned up, and why: one sentence each. */
  readonly notPossible: readonly string[];
  close(): Promise<void>;
};

/** Where no operating system keeps what is cleaned up. */
const holdNothing = ["", "swap", "swsuspend", "squashfs", "iso9660"];
const titles: Readonly<Record<string, string>> = {
  ntfs: "NTFS",
  vfat: "FAT",
  exfat: "exFAT",
  apfs: "APFS",
  xfs: "XFS",
};

/**
 * Cleans up what can be cleaned up of a disk: ext2, ext3, ext4 and HFS+ volumes
 * that were unmounted. What is removed is overwritten with zeros: it is not in
 * the image, whoever looks for it.
 *
 * @throws {Fault} TEMPORARY_SPACE, and those of the disk's partition table
 */
export async function cleanDisk(source: FileSource, options: CleanDiskOptions): Promise<CleanedDisk> {
  const { log, signal } = options;
  const directory = await realpath(options.directory ?? process.env["TMPDIR"] ?? "/var/tmp");
  let done = await changeable(source, { directory });
  const changes: CleanUpChange[] = [];
  const tagFiles: string[] = [];
  const notPossible: string[] = [];
  try {
    const layout = await readDiskLayout(source, source.sectorBytes);
    const before = layout.scheme === "none" ? () => "" : (volume: FoundVolume) => `${volume.name}: `;
    const volumes = await volumesOf(source, layout);
    for (const volume of volumes) {
      signal?.throwIfAborted();
      if (holdNothing.includes(volume.fileSystem)) continue;
      const other = volumes.find((one) => one !== volume && overlap(one, volume));
      if (other !== undefined) {
        notPossible.push(`Not possible on ${volume.name}: it overlaps with ${other.name}.`);
        continue;
      }
      // A layer of its own: when a volume cannot be cleaned up, the others stay cleaned up.
      const layer = await changeable(done.disk, { directory });
      const cleaned = await cleanVolume(done.disk, layer.disk, volume, { ...options, directory }).catch(
        async (error: unknown) => {
          await layer.close();
          throw error;
        },
      );
      if ("problem" in cleaned) {
        await layer.close();
        notPossible.push(`Not possible on ${volume.name}: ${cleaned.problem}.`);
        continue;
      }
      done = stacked(layer, done);
      log?.(`Cleaned up ${volume.name}.`);
      changes.push(...cleaned.changes.map((change) => ({ ...change, path: `${before(volume)}${change.path}` })));
      if (cleaned.tagFile !== undefined) tagFiles.push(`${before(volume)}${cleaned.tagFile}`);
      for (const path of cleaned.kept)
        notPossible.push(
          `Not possible on ${volume.name}: ${path} stays, because its file has other names, or a name of two lines.`,
        );
    }
  } catch (error) {
    await done.close();
    throw error;
  }
  const { disk, close } = done;
  const { sizeBytes, sectorBytes } = source;
  const read = (offset: number, length: number) => disk.read(offset, length);
  return { source: { sizeBytes, sectorBytes, read, close }, changes, tagFiles, notPossible, close };
}

function overlap(one: ByteRange, other: ByteRange): boolean {
  return one.startBytes < other.endBytes && other.startBytes < one.endBytes;
}

function stacked(upper: ChangeableDisk, lower: ChangeableDisk): ChangeableDisk {
  const close = async () => {
    await upper.close();
    await lower.close();
  };
  return { disk: upper.disk, close };
}

async function cleanVolume(
  source: BlockSource,
  disk: OverlaySource,
  volume: FoundVolume,
  options: CleanDiskOptions & { readonly directory: string },
): Promise<CleanedVolume | { readonly problem: string }> {
  const { fileSystem } = volume;
  const isExt = /^ext[234]$/.test(fileSystem);
  if (!isExt && !/^hfs(plus|x)$/.test(fileSystem))
    return { problem: `${titles[fileSystem] ?? fileSystem} is not written to here` };
  try {
    const free = await readFreeSpace(fileSystem, volumeOn(source, volume));
    if (free.state !== "known") return { problem: free.state === "dirty" ? `it ${free.problem}` : free.reason };
    const cleaned = isExt ? await cleanExt(disk, volume, options) : await cleanHfsPlus(source, disk, volume, options);
    if ("problem" in cleaned) return cleaned;
    await eraseFreed(source, disk, volume);
    return cleaned;
  } catch (error) {
    if (error instanceof Implausible) return { problem: error.message };
    const isOfVolume = error instanceof Fault && ["EXT_NOT_CLEANED", "PROGRAM_MISSING"].includes(error.code);
    if (isOfVolume) return { problem: `${error.why} ${error.fix}`.replace(/\.$/, "") };
    throw error;
  }
}

async function cleanExt(
  disk: OverlaySource,
  range: ByteRange,
  { path, steps, tag, directory, signal }: CleanDiskOptions & { readonly directory: string },
): Promise<CleanedVolume | { readonly problem: string }> {
  if (path === undefined) return { problem: "its programs read raw disks only: convert the image to raw first" };
  return cleanUpExt({ path, range, disk, steps, tag, directory, signal });
}

async function cleanHfsPlus(
  source: BlockSource,
  disk: OverlaySource,
  range: ByteRange,
  { steps, tag }: CleanDiskOptions,
): Promise<CleanedVolume> {
  const file = tag && {
    folders: TAG_FILE_FOLDERS,
    name: TAG_FILE_NAME,
    text: tagFileText(tag),
    changedSeconds: tag.createdAtMs / 1000,
  };
  return cleanUpHfsPlus(source, disk, range, { steps, ...(file && { tag: file }) });
}

/** Zeros over every block that is free now and was not. */
async function eraseFreed(source: BlockSource, disk: OverlaySource, volume: FoundVolume): Promise<void> {
  const [before, after] = await Promise.all(
    [source, disk].map((one) => readFreeSpace(volume.fileSystem, volumeOn(one, volume))),
  );
  if (before?.state !== "known" || after?.state !== "known")
    throw new Implausible("its free space is not known any more after the clean-up");
  const wasFree: ByteRange[] = [];
  for await (const range of before.ranges) wasFree.push(range);
  let at = 0;
  for await (const { startBytes, endBytes } of after.ranges) {
    let from = startBytes;
    while (at < wasFree.length && wasFree[at]!.endBytes <= from) at += 1;
    for (let index = at; index < wasFree.length && wasFree[index]!.startBytes < endBytes; index += 1) {
      if (wasFree[index]!.startBytes > from) await disk.erase(from, wasFree[index]!.startBytes);
      from = Math.max(from, wasFree[index]!.endBytes);
    }
    if (from < endBytes) await disk.erase(from, endBytes);
  }
}

function volumeOn(source: BlockSource, { startBytes, endBytes }: ByteRange): Volume {
  return new Volume(source, startBytes, endBytes - startBytes);
}
