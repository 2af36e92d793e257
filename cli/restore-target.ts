import { access, constants, realpath, stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Logger } from "pino";
import { realClock } from "../agent/backoff.ts";
import { describeDisk } from "../agent/disk-choice.ts";
import { DiskSource } from "../agent/disk-source.ts";
import { DiskTarget } from "../agent/disk-target.ts";
import { readDisks } from "../agent/disks.ts";
import { eraseDisk } from "../agent/erase.ts";
import { thisMachine } from "../agent/machine-files.ts";
import { formatSize } from "../agent/sizes.ts";
import { FileTarget } from "../agent/stream/file-target.ts";
import { tools } from "../agent/tools.ts";
import { Fault } from "../fault.ts";
import type { BlockSource, BlockTarget } from "../images/block.ts";
import { CELL_BYTES } from "../images/cell.ts";
import { ID_BYTES, type Manifest } from "../images/manifest.ts";

/** A target that was looked at; nothing of it is opened for writing yet. */
export type CheckedTarget = {
  /** For the question and the screen: the path, and what the disk is. */
  readonly title: string;
  /** @throws {Fault} TARGET_TOO_SMALL, TARGET_NO_SPACE */
  fit(image: Pick<Manifest, "diskBytes" | "cellIds">): Promise<RestoreTarget>;
};

/** Where a restore writes to: a whole disk, or a raw image file. */
export type RestoreTarget = {
  readonly blocks: BlockTarget;
  /** Opens and erases it: the first thing that changes it. */
  erase(): Promise<{ readonly isZeroed: boolean }>;
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
 * @throws {Fault} TARGET_UNKNOWN, TARGET_KIND, TARGET_BUSY
 */
export async function checkTarget(path: string, log: Logger): Promise<CheckedTarget> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found?.isBlockDevice() === true) return checkDisk(await realpath(path), log);
  if (found !== undefined && !found.isFile()) {
    throw refused(
      "TARGET_KIND",
      path,
      "It is neither a disk nor a file.",
      "Give a whole disk such as /dev/sdb, or the path of a raw image file.",
    );
  }
  if (found === undefined && path.startsWith("/dev/")) {
    throw refused("TARGET_UNKNOWN", path, "There is no such device.", '"lsblk -d" lists the disks.');
  }
  return checkFile(path, (found?.blocks ?? 0) * 512);
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
      if (disk.sizeBytes < image.diskBytes) throw tooSmall(path, disk.sizeBytes, image.diskBytes);
      return {
        blocks,
        async erase() {
          await blocks.open();
          return eraseDisk(disk, blocks, { files: thisMachine, tools, clock: realClock, log });
        },
        readBack: () => DiskSource.open(disk, tools),
        async settle() {
          await blocks.close();
          await rereadPartitions(path, log);
        },
        close: () => blocks.close(),
      };
    },
  };
}

async function checkFile(path: string, replacedBytes: number): Promise<CheckedTarget> {
  const directory = dirname(resolve(path));
  try {
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw refused("TARGET_UNKNOWN", path, `The directory ${directory} cannot be written to.`, "Check the path.", error);
  }
  return {
    title: path,
    async fit(image) {
      const { bavail, bsize } = await statfs(directory);
      const freeBytes = bavail * bsize + replacedBytes;
      // Zeros stay holes.
      const neededBytes = (image.cellIds.length / ID_BYTES) * CELL_BYTES;
      if (freeBytes < neededBytes) {
        throw refused(
          "TARGET_NO_SPACE",
          path,
          `The image needs ${formatSize(neededBytes)}, and ${formatSize(freeBytes)} are free.`,
          "Make room, or choose another place.",
        );
      }
      const blocks = new FileTarget(path, image.diskBytes);
      return {
        blocks,
        async erase() {
          await blocks.create();
          return { isZeroed: true };
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

function tooSmall(path: string, sizeBytes: number, imageBytes: number): Fault {
  return refused(
    "TARGET_TOO_SMALL",
    path,
    `It has ${sizeBytes} bytes (${formatSize(sizeBytes)}), and the image needs ${imageBytes}.`,
    "Take a disk that is at least as large as the one that the image was made from.",
  );
}
