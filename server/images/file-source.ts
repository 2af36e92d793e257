import { constants, type FileHandle, open, readFile, stat } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import type { BlockSource } from "../../images/block.ts";
import { FORMAT_PROBE_BYTES, type ForeignFormat, foreignFormatOf } from "../../images/foreign-format.ts";

/** A raw disk image file or a block device, opened for reading. */
export interface FileSource extends BlockSource {
  /** The device's logical sector size; 512 for a file. */
  readonly sectorBytes: number;
  close(): Promise<void>;
}

/**
 * Opens a raw disk image or a block device for reading.
 *
 * A device is claimed while it is open, so that nobody mounts it meanwhile.
 *
 * @throws {Fault} those of `openAnyFile`; IMAGE_FORMAT (another format than raw), IMAGE_SIZE (no whole number of sectors)
 */
export async function openFileSource(path: string): Promise<FileSource> {
  const source = await openAnyFile(path);
  try {
    const format = await formatOf(source);
    if (format !== undefined) throw notRaw(path, format.name);
    checkWholeSectors(source, path);
    return source;
  } catch (error) {
    await source.close();
    throw error;
  }
}

/**
 * Opens a file of any format, or a block device, for reading.
 *
 * @throws {Fault} FILE_MISSING, DEVICE_BUSY (mounted, or in use by LVM or RAID), FILE_KIND (a directory, a pipe), IMAGE_EMPTY
 */
export async function openAnyFile(path: string): Promise<FileSource> {
  const file = await openForReading(path);
  try {
    const { sizeBytes, sectorBytes } = await sizeOf(file, path);
    if (sizeBytes === 0) throw empty(path);
    return {
      sizeBytes,
      sectorBytes,
      async read(offset, length) {
        const bytes = Buffer.allocUnsafeSlow(length);
        await fill(file, path, offset, bytes);
        return bytes;
      },
      readInto: (offset, target) => fill(file, path, offset, target),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The format of what `source` holds; undefined for a raw disk. */
export async function formatOf(source: BlockSource): Promise<ForeignFormat | undefined> {
  const length = Math.min(FORMAT_PROBE_BYTES, source.sizeBytes);
  const start = await source.read(0, length);
  return foreignFormatOf(start, await source.read(source.sizeBytes - length, length));
}

/** @throws {Fault} IMAGE_SIZE */
export function checkWholeSectors(disk: { sizeBytes: number; sectorBytes: number }, path: string): void {
  if (disk.sizeBytes % disk.sectorBytes !== 0) throw brokenSize(path, disk.sizeBytes, disk.sectorBytes);
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    // O_EXCL claims a device (open(2)). Without O_NONBLOCK a pipe with no writer would wait forever.
    const claim = (await stat(path)).isBlockDevice() ? constants.O_EXCL : 0;
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK | claim);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw missing(path, error);
    if (code === "EBUSY") throw deviceBusy(path, error);
    throw error;
  }
}

async function sizeOf(file: FileHandle, path: string): Promise<{ sizeBytes: number; sectorBytes: number }> {
  const found = await file.stat();
  if (found.isFile()) return { sizeBytes: found.size, sectorBytes: 512 };
  if (!found.isBlockDevice()) throw otherKind(path);
  // Linux' dev_t: the minor number is in two pieces (sys/sysmacros.h).
  const major = (found.rdev >> 8) & 0xfff;
  const minor = (found.rdev & 0xff) | ((found.rdev >> 12) & 0xfff00);
  const device = `/sys/dev/block/${major}:${minor}`;
  // In units of 512 bytes whatever the device's sector is (Documentation/ABI/stable/sysfs-block).
  const sizeBytes = Number(await readFile(`${device}/size`, "utf8")) * 512;
  const sectorText = await readFile(`${device}/queue/logical_block_size`, "utf8").catch(() =>
    readFile(`${device}/../queue/logical_block_size`, "utf8"),
  );
  return { sizeBytes, sectorBytes: Number(sectorText) };
}

async function fill(file: FileHandle, path: string, offset: number, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, offset + at);
    if (bytesRead === 0) throw cutShort(path, offset + at);
    at += bytesRead;
  }
}

function missing(path: string, cause: unknown): Fault {
  return new Fault(
    "FILE_MISSING",
    {
      what: `There is no file ${path}.`,
      why: "Nothing has this name.",
      fix: "Check the spelling; a path is taken from the current directory.",
    },
    cause,
  );
}

function deviceBusy(path: string, cause: unknown): Fault {
  return new Fault(
    "DEVICE_BUSY",
    {
      what: `${path} is in use.`,
      why: "It, or a part of it, is mounted or belongs to LVM or RAID. Its content would change while it is read.",
      fix: `Unmount it ("lsblk ${path}" shows what uses it), or start the machine from another medium.`,
    },
    cause,
  );
}

function otherKind(path: string): Fault {
  return new Fault("FILE_KIND", {
    what: `${path} is neither a file nor a block device.`,
    why: "A disk image is read at any place and needs a size.",
    fix: "Give a raw disk image or a device such as /dev/sdb.",
  });
}

function empty(path: string): Fault {
  return new Fault("IMAGE_EMPTY", {
    what: `${path} has no content.`,
    why: "Its size is 0 bytes.",
    fix: "Give the disk image itself; a device without a medium is empty, too.",
  });
}

function notRaw(path: string, format: string): Fault {
  return new Fault("IMAGE_FORMAT", {
    what: `${path} is not a raw disk image.`,
    why: `Its format is ${format}.`,
    fix: 'Make it raw first: "qemu-img convert -O raw FROM TO" for disk images, or unpack it.',
  });
}

function brokenSize(path: string, sizeBytes: number, sectorBytes: number): Fault {
  return new Fault("IMAGE_SIZE", {
    what: `${path} is not a whole disk: ${sizeBytes} bytes.`,
    why: `A raw disk image is a whole number of sectors of ${sectorBytes} bytes; this one was cut off or is of another format.`,
    fix: 'Check it with "file" and "qemu-img info"; other formats become raw with "qemu-img convert -O raw".',
  });
}

function cutShort(path: string, offset: number): Fault {
  return new Fault("SOURCE_CHANGED", {
    what: `${path} ended at byte ${offset} while it was read.`,
    why: "It became shorter, or the device went away.",
    fix: "Stop what uses the file and start again.",
  });
}
