import { mkdir, mkdtemp, realpath, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { runChild } from "./child.ts";
import { applyCleanUp, planCleanUp } from "./create-clean-up.ts";
import { makeExt4 } from "./create-ext4.ts";
import { hfsPlusOfFolder } from "./create-hfs-plus.ts";
import { measureFolder } from "./create-size.ts";
import { writeTagFile } from "./create-tag-file.ts";
import { openFileSource } from "./file-source.ts";
import type { FolderVolume, FolderVolumeOptions } from "./folder-volume.ts";

/** Left free for everybody else. */
const RESERVE_BYTES = 1 << 28;

/**
 * Makes a volume of a folder, cleaned up: nothing in the folder itself changes.
 *
 * @throws {Fault} FOLDER_REFUSED, and those of `ext4OfFolder` or `hfsPlusOfFolder`
 */
export async function volumeOfFolder(folder: string, options: FolderVolumeOptions): Promise<FolderVolume> {
  const source = await realpath(folder);
  const directory = await realpath(options.directory ?? process.env["TMPDIR"] ?? "/var/tmp");
  await refuseFolder(source, directory);
  const make = options.fileSystem === "ext4" ? ext4OfFolder : hfsPlusOfFolder;
  return make(source, directory, options);
}

/**
 * For ext4 the folder is copied first, and the copy is cleaned up.
 *
 * @throws {Fault} TEMPORARY_SPACE, FOLDER_NOT_COPIED, and those of `makeExt4`
 */
async function ext4OfFolder(source: string, directory: string, options: FolderVolumeOptions): Promise<FolderVolume> {
  const { steps, tag, name, log, signal } = options;
  const { storedBytes } = await measureFolder(source, signal);
  await checkRoom(directory, storedBytes * 2);
  // Only its maker may look into it: it holds a system's passwords and keys for a while.
  const work = await mkdtemp(join(directory, "bootcast-create-"));
  const remove = () => rm(work, { recursive: true, force: true });
  try {
    const copy = join(work, "content");
    await mkdir(copy);
    log?.(`Copying ${source}.`);
    await copyFolder(source, copy, signal);
    const changes = await planCleanUp(copy, steps);
    await applyCleanUp(copy, changes);
    const tagFile = tag && (await writeTagFile(copy, tag));
    log?.("Making an ext4 volume of the copy.");
    const path = join(work, "volume.raw");
    await makeExt4(copy, path, name, signal);
    await rm(copy, { recursive: true });
    const volume = await openFileSource(path);
    return {
      source: volume,
      changes,
      tagFile,
      remove: async () => {
        await volume.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function refuseFolder(source: string, directory: string): Promise<void> {
  const below = (path: string) => path === source || path.startsWith(source === "/" ? "/" : `${source}/`);
  if (source === "/") {
    throw refused(
      source,
      "It is the running system, which writes to its files while they are copied.",
      "Start another system (the boot image, for example) and give this one's disk.",
    );
  }
  if (below(directory)) {
    throw refused(
      source,
      `${directory}, where its copy would be made, lies in it.`,
      "Name a folder elsewhere: TMPDIR=/large/folder before the command.",
    );
  }
  const type = (await statfs(source)).type;
  if (type === 0x9fa0 || type === 0x62656572) {
    throw refused(source, "It is /proc or /sys: no files, but the kernel's words.", "Give a folder with files.");
  }
  if (!(await stat(source)).isDirectory()) throw refused(source, "It is no folder.", "Give a folder.");
}

async function checkRoom(directory: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (neededBytes <= bavail * bsize - RESERVE_BYTES) return;
  const inMebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  throw new Fault("TEMPORARY_SPACE", {
    what: `The folder cannot be copied to ${directory}.`,
    why: `The copy and the volume need about ${inMebibytes(neededBytes)}, and ${inMebibytes(bavail * bsize)} are free.`,
    fix: "Make room, or name another folder: TMPDIR=/large/folder before the command.",
  });
}

/** With owners, modes, times, links, holes and extended attributes; what is mounted in it stays an empty folder. */
async function copyFolder(source: string, copy: string, signal?: AbortSignal): Promise<void> {
  const args = ["--archive", "--one-file-system", "--reflink=auto", "--", `${source}/.`, copy];
  const deadlineMs = 12 * 3_600_000;
  const { exitCode, stderr } = await runChild("cp", args, { deadlineMs, signal }).catch((error: unknown) => {
    throw signal?.aborted ? signal.reason : error;
  });
  if (exitCode === 0) return;
  throw new Fault("FOLDER_NOT_COPIED", {
    what: `Not all of ${source} could be copied. No image was made.`,
    why: stderr.trim().split("\n")[0] ?? "cp gave no reason.",
    fix: "Run it as root (sudo), which may read every file, and while nothing changes the folder.",
  });
}

function refused(source: string, why: string, fix: string): Fault {
  return new Fault("FOLDER_REFUSED", { what: `No image can be made of ${source}.`, why, fix });
}
