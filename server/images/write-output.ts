import { randomUUID } from "node:crypto";
import { type FileHandle, link, lstat, open, realpath, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { Fault } from "../../fault.ts";
import { realDisk } from "../store/disk.ts";
import { isMissing, removeLeftovers, syncDirectory, type Unfinished } from "../store/files.ts";
import { ownMark } from "../store/process-mark.ts";

/**
 * A file that gets its name when it is complete. Until then it lies beside, hidden, as
 * `.bootcast-<who writes it>.<random>.part`. A failure of any kind removes it. What a
 * process left that was killed or lost its power goes when the next image is written into that folder.
 */
export class OutputFile {
  readonly path: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  readonly #isForced: boolean;
  #endBytes = 0;

  private constructor(path: string, temporary: string, file: FileHandle, isForced: boolean) {
    this.path = path;
    this.#temporary = temporary;
    this.#file = file;
    this.#isForced = isForced;
  }

  /**
   * @param isForced replace a file of this name, at the very end
   * @throws {Fault} FILE_EXISTS, FILE_KIND, FILE_NAME, FOLDER_MISSING
   */
  static async create(path: string, isForced: boolean): Promise<OutputFile> {
    await refuseName(path);
    await refuseExisting(path, isForced);
    // Somebody else's folder may be written and not be listed; then they stay.
    await removeLeftovers(realDisk, dirname(path), parts).catch(() => {});
    // A name of its own, so that the longest possible name works, too.
    const temporary = join(dirname(path), `.bootcast-${await ownMark()}.${randomUUID()}.part`);
    try {
      return new OutputFile(path, temporary, await open(temporary, "wx"), isForced);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") throw noFolder(path, error);
      throw error;
    }
  }

  /** Writes behind everything before. */
  async append(bytes: Uint8Array): Promise<void> {
    await this.write(this.#endBytes, bytes);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length; )
        at += (await this.#file.write(bytes, at, bytes.length - at, offset + at)).bytesWritten;
    } catch (error) {
      throw this.#explained(error);
    }
    this.#endBytes = Math.max(this.#endBytes, offset + bytes.length);
  }

  /** Gives the file its length; what was not written is a hole. */
  async setLength(lengthBytes: number): Promise<void> {
    try {
      await this.#file.truncate(lengthBytes);
    } catch (error) {
      throw this.#explained(error);
    }
  }

  /** Resolves when everything written survives a power cut. */
  async flush(): Promise<void> {
    try {
      await this.#file.sync();
    } catch (error) {
      throw this.#explained(error);
    }
  }

  /**
   * Gives the file its name, after `flush`.
   *
   * @throws {Fault} FILE_EXISTS when something took the name meanwhile and nothing may be replaced
   */
  async publish(): Promise<void> {
    if (this.#isForced) await rename(this.#temporary, this.path);
    else await this.#link();
    await syncDirectory(dirname(this.path));
  }

  /** To be called in any case; what has no name yet is removed. */
  async close(): Promise<void> {
    await this.#file.close();
    await unlink(this.#temporary).catch(() => {});
  }

  /** Linking never replaces a file that came meanwhile. The FAT of a USB stick has no links: there a last look must do. */
  async #link(): Promise<void> {
    try {
      await link(this.#temporary, this.path);
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (code !== "EEXIST" && !["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(code)) throw error;
      await refuseExisting(this.path, false);
      await rename(this.#temporary, this.path);
    }
  }

  #explained(error: unknown): unknown {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT") return diskFull(this.path, this.#endBytes, error);
    if (code === "EFBIG") return tooLarge(this.path, error);
    return error;
  }
}

/** A disk of another machine, or of this one before it started anew: there nobody knows who still runs, but in a day each writes. */
const parts: Unfinished = {
  writerOf: (name) => /^\.bootcast-([0-9a-f]{12}-\d+-\d+)\.[0-9a-f-]{36}\.part$/.exec(name)?.[1],
  afterMs: 24 * 3_600_000,
};

/**
 * Refuses to write what is read.
 *
 * @throws {Fault} SAME_FILE when `output` is `input`, or lies in it (a sparse bundle is a folder)
 */
export async function refuseSameFile(input: string, output: string): Promise<void> {
  const [source, target] = await Promise.all([stat(input), stat(output).catch(() => undefined)]);
  if (target?.dev === source.dev && target.ino === source.ino) throw sameFile(input, output);
  if (!source.isDirectory()) return;
  const folder = await realpath(input);
  const parent = await realpath(dirname(output)).catch(() => "");
  if (parent === folder || parent.startsWith(folder + sep)) throw sameFile(input, output);
}

async function refuseName(path: string): Promise<void> {
  const name = basename(path);
  const why = path === "" ? "It is empty." : path.includes("\0") ? "It has a zero byte in it." : undefined;
  if (why !== undefined || path.endsWith("/") || name === "." || name === "..") throw badName(path, why);
  if (Buffer.byteLength(name) > 255) throw badName(path, "Its last part has more than 255 bytes.");
}

async function refuseExisting(path: string, isForced: boolean): Promise<void> {
  const found = await lstat(path).catch((error) => {
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (found.isDirectory()) throw notAFile(path, "It is a folder.");
  if (!isForced) throw exists(path);
  if (!found.isFile()) throw notAFile(path, "It is a device, a link or another thing that is not replaced.");
}

function badName(path: string, why = "It names a folder."): Fault {
  return new Fault("FILE_NAME", {
    what: `"${path.replaceAll("\0", "")}" cannot be the name of a file.`,
    why,
    fix: "Give the name that the image shall have, for example lab.dmg.",
  });
}

function notAFile(path: string, why: string): Fault {
  return new Fault("FILE_KIND", {
    what: `${path} cannot become a disk image.`,
    why,
    fix: 'Give the name of a file. A disk is written with "bootcast restore".',
  });
}

function exists(path: string): Fault {
  return new Fault("FILE_EXISTS", {
    what: `${path} exists already.`,
    why: "A file is never replaced unless that is said.",
    fix: "Give another name, or add --force to replace it when the new one is complete.",
  });
}

function noFolder(path: string, cause: unknown): Fault {
  return new Fault(
    "FOLDER_MISSING",
    {
      what: `${path} cannot be written.`,
      why: `There is no folder ${dirname(path)}.`,
      fix: "Make the folder first, or check the spelling.",
    },
    cause,
  );
}

function sameFile(input: string, output: string): Fault {
  return new Fault("SAME_FILE", {
    what: `${output} cannot be written.`,
    why: `It is ${input} itself, or lies in it: the source would be gone.`,
    fix: "Give another name for what is written.",
  });
}

function diskFull(path: string, writtenBytes: number, cause: unknown): Fault {
  return new Fault(
    "DISK_FULL",
    {
      what: `There is no room for ${path}; what was written of it is removed.`,
      why: `The disk was full after ${writtenBytes} bytes.`,
      fix: "Make room, or write to another file system.",
    },
    cause,
  );
}

function tooLarge(path: string, cause: unknown): Fault {
  return new Fault(
    "FILE_TOO_LARGE",
    {
      what: `${path} becomes too large; what was written of it is removed.`,
      why: "The file system, or a limit of this process, allows no larger files: FAT ends at 4 GiB.",
      fix: "Write to another file system, or choose a compressed format.",
    },
    cause,
  );
}
