import { realpathSync, type Stats } from "node:fs";
import { access, constants, lstat, realpath, stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Logger } from "pino";
import { realClock } from "../../agent/client/backoff.ts";
import { changeOfDisk, describeDisk } from "../../agent/disk/choice.ts";
import type { Disk } from "../../agent/disk/disk.ts";
import { readDisks } from "../../agent/disk/disks.ts";
import { eraseDisk } from "../../agent/disk/erase.ts";
import { formatSize } from "../../agent/disk/sizes.ts";
import { DiskSource } from "../../agent/disk/source.ts";
import { DiskTarget } from "../../agent/disk/target.ts";
import { wipeHeld } from "../../agent/disk/wipe-held.ts";
import { thisMachine } from "../../agent/machine/machine-files.ts";
import { tools } from "../../agent/machine/tools.ts";
import { FileTarget } from "../../agent/stream/file-target.ts";
import { Fault } from "../../fault.ts";
import type { BlockSource, BlockTarget } from "../../images/block.ts";
import type { HeldCells } from "../../images/held-cells.ts";
import { dataBytes, type Manifest } from "../../images/manifest.ts";
import { writersOf } from "../image/file-writers.ts";
import { openPaddedFile } from "../image/padded-file.ts";
import { usersOfFile } from "../image/source-in-use.ts";
import { loopDisksOf } from "./refusals.ts";

/** A target that was looked at; nothing of it is opened for writing yet. */
export type CheckedTarget = {
  /** For the question and the screen: the path, and what the disk is. */
  readonly title: string;
  /** @throws {Fault} TARGET_TOO_SMALL, TARGET_NO_SPACE */
  fit(image: ImageNeed): Promise<RestoreTarget>;
};

/** What an image takes: a disk of its size; of a file only what is neither zero nor unused. */
export type ImageNeed = {
  readonly diskBytes: number;
  readonly dataBytes: number;
  /** What its partition table counts in; absent: it has none. */
  readonly sectorBytes?: number;
};

export function needOf(manifest: Manifest): ImageNeed {
  const { diskBytes, sectorBytes, scheme } = manifest;
  return { diskBytes, dataBytes: dataBytes(manifest), ...(scheme !== "none" && { sectorBytes }) };
}

/** Where a restore writes to: a whole disk, or a raw image file. */
export type RestoreTarget = {
  readonly blocks: BlockTarget & Pick<BlockSource, "read">;
  /** Opens and erases it: the first thing that changes it. `onBegin` is called when it is open, before anything is lost. */
  erase(onBegin: () => void): Promise<{ readonly isZeroed: boolean }>;
  /** Opens what is there now for reading, before anything is changed; undefined where there is nothing. */
  readNow(): Promise<(BlockSource & { close(): Promise<void> }) | undefined>;
  /** Instead of `erase`: opens it as it is, and takes away what makes it look bootable. */
  keep(held: HeldCells, onBegin: () => void): Promise<void>;
  /** Opens what was written for reading: from the disk itself, not from memory. */
  readBack(): Promise<BlockSource & { close(): Promise<void> }>;
  /** Makes the system see what was written, and lets it go. */
  settle(): Promise<void>;
  /** Lets it go as it is. */
  close(): Promise<void>;
};

/**
 * Looks at `--target` without changing anything.
 *
 * @throws {Fault} TARGET_UNKNOWN, TARGET_KIND, TARGET_BUSY; when it is erased TARGET_CHANGED, DISK_BUSY
 */
export async function checkTarget(path: string, log: Logger): Promise<CheckedTarget> {
  const found = await stat(path).catch(orNothing);
  if (found?.isBlockDevice() === true) return checkDisk(await realpath(path), log);
  if (found !== undefined && !found.isFile()) {
    throw refused(
      "TARGET_KIND",
      path,
      "It is neither a disk nor a file.",
      "Give a whole disk such as /dev/sdb, or the path of a raw image file.",
    );
  }
  if (found === undefined && (await lstat(path).catch(orNothing)) !== undefined) {
    throw refused("TARGET_UNKNOWN", path, "It is a link to nothing.", "Give the path of the disk or file itself.");
  }
  if (found === undefined && `${resolve(path)}/`.startsWith("/dev/")) {
    throw refused("TARGET_UNKNOWN", path, "There is no such device.", '"lsblk -d" lists the disks.');
  }
  if (found === undefined) return checkFile(path, undefined);
  await refuseInUse(path, found);
  return checkFile(path, found);
}

function orNothing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}

async function checkDisk(path: string, log: Logger): Promise<CheckedTarget> {
  const disk = readDisks(thisMachine).find((candidate) => candidate.path === path);
  if (disk === undefined) {
    throw refused(
      "TARGET_KIND",
      path,
      "It is not a whole disk of this machine; an image is one, with its partition table.",
      '"lsblk -d" lists the disks.',
    );
  }
  if (disk.isReadOnly) throw refused("TARGET_BUSY", path, "It is read-only.", "Take the write protection away.");
  // The disk of the running system is always in use.
  if (disk.usedBy.length > 0) {
    throw refused(
      "TARGET_BUSY",
      path,
      `It is in use: ${disk.usedBy.join(", ")}.`,
      `Unmount it first; "lsblk ${path}" shows what uses it.`,
    );
  }
  const blocks = new DiskTarget(disk);
  return {
    title: describeDisk(disk),
    async fit(image) {
      refuseUnfit(disk, image);
      const begin = async (onBegin: () => void) => {
        // The question may have waited for long: another stick may have the name by now.
        const now = readDisks(thisMachine).find((candidate) => candidate.path === path);
        const change = changeOfDisk(disk, now);
        if (change !== undefined) {
          throw refused("TARGET_CHANGED", path, `Since it was looked at: ${change}.`, "Look again, and start again.");
        }
        await blocks.open();
        onBegin();
      };
      return {
        blocks,
        async erase(onBegin) {
          await begin(onBegin);
          return eraseDisk(disk, blocks, { files: thisMachine, tools, clock: realClock, log });
        },
        readNow: () => DiskSource.open(disk, tools, { isDirect: true }),
        async keep(held, onBegin) {
          await begin(onBegin);
          await wipeHeld(held, blocks);
        },
        readBack: () => DiskSource.open(disk, tools, { isDirect: true }),
        async settle() {
          await blocks.close();
          await rereadPartitions(path, log);
        },
        close: () => blocks.close(),
      };
    },
  };
}

/** A file that something else uses would lose its ground, or get the bytes of both. */
async function refuseInUse(path: string, found: Stats): Promise<void> {
  const real = await realpath(path);
  const [device] = loopDisksOf(real, thisMachine);
  if (device !== undefined) {
    throw refused("TARGET_BUSY", path, `${device} is made of it.`, `Unmount it, then: losetup --detach ${device}`);
  }
  const [user] = usersOfFile(real, found, thisMachine);
  if (user !== undefined) throw refused("TARGET_BUSY", path, user.why, user.fix);
  refuseWriters(path, real);
}

function refuseWriters(path: string, real: string): void {
  const [writer] = writersOf(real, thisMachine, process.pid);
  if (writer === undefined) return;
  throw refused("TARGET_BUSY", path, `${writer} has it open for writing.`, "Wait until that has ended, or end it.");
}

/** @param found the file that is there; undefined when there is none */
async function checkFile(path: string, found: Stats | undefined): Promise<CheckedTarget> {
  const directory = dirname(resolve(path));
  const replacedBytes = found === undefined ? undefined : found.blocks * 512;
  try {
    if (found === undefined) await access(directory, constants.W_OK | constants.X_OK);
    else await access(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    const what = replacedBytes === undefined ? `The directory ${directory}` : "The file";
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      throw refused("TARGET_UNKNOWN", path, `${what} does not exist.`, "Check the path.", error);
    }
    throw refused("NOT_PERMITTED", path, `${what} cannot be written to.`, "Check its owner, or use sudo.", error);
  }
  return {
    title: path,
    async fit(image) {
      const { bavail, bsize } = await statfs(directory);
      const freeBytes = bavail * bsize + (replacedBytes ?? 0);
      // Zeros stay holes.
      if (freeBytes < image.dataBytes) {
        throw refused(
          "TARGET_NO_SPACE",
          path,
          `The image needs ${formatSize(image.dataBytes)}, and ${formatSize(freeBytes)} are free.`,
          "Make room, or choose another place.",
        );
      }
      const blocks = new FileTarget(path, image.diskBytes);
      // It may have waited for long: of two who wait at once, neither may write into what the other has.
      const alone = (onBegin: () => void) => () => {
        refuseWriters(path, realpathSync(path));
        onBegin();
      };
      return {
        blocks,
        async erase(onBegin) {
          await blocks.create({ found }, alone(onBegin));
          return { isZeroed: true };
        },
        readNow: async () => (found === undefined ? undefined : openPaddedFile(path, image.diskBytes)),
        async keep(held, onBegin) {
          await blocks.keep({ found }, alone(onBegin));
          await wipeHeld(held, blocks);
        },
        readBack: async () => ({
          sizeBytes: blocks.sizeBytes,
          read: (at, length) => blocks.read(at, length),
          close: async () => undefined,
        }),
        settle: () => blocks.close(),
        close: () => blocks.close(),
      };
    },
  };
}

async function rereadPartitions(path: string, log: Logger): Promise<void> {
  try {
    await tools.run("blockdev", ["--rereadpt", path], { timeoutMs: 30_000 });
  } catch (error) {
    log.warn({ disk: path, error }, "the system does not see the new partitions before a restart");
  }
}

function refused(code: string, path: string, why: string, fix: string, cause?: unknown): Fault {
  return new Fault(code, { what: `${path} cannot be restored to. Nothing was erased.`, why, fix }, cause);
}

/** @throws {Fault} TARGET_TOO_SMALL, TARGET_SECTORS */
export function refuseUnfit(disk: Pick<Disk, "path" | "sizeBytes" | "sectorBytes">, image: ImageNeed): void {
  const { path, sizeBytes, sectorBytes } = disk;
  if (image.sectorBytes !== undefined && sectorBytes !== image.sectorBytes) {
    throw refused(
      "TARGET_SECTORS",
      path,
      `Its sectors have ${sectorBytes} bytes, and the image's partition table counts in ${image.sectorBytes}.`,
      "Take a disk with sectors of that size, or an image of a disk with sectors of this size.",
    );
  }
  if (sizeBytes >= image.diskBytes) return;
  throw refused(
    "TARGET_TOO_SMALL",
    path,
    `It has ${sizeBytes} bytes (${formatSize(sizeBytes)}), and the image needs ${image.diskBytes}.`,
    "Take a disk that is at least as large as the one that the image was made from.",
  );
}
