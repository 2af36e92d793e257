import { randomUUID } from "node:crypto";
import { constants, type FileHandle, open, statfs, unlink } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import type { BlockSource } from "../../images/block.ts";

/** Where unpacked images are kept while they are read, and how much of the room there. */
export type TemporarySpace = {
  /** Default: TMPDIR, else /var/tmp, which is on a disk everywhere; /tmp often is memory. */
  readonly directory?: string;
  /** Most bytes that are written there. Default: what is free, less `RESERVE_BYTES`. */
  readonly mostBytes?: number;
};

/** Node does not name it; open(2), include/uapi/asm-generic/fcntl.h. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;
/** Left free for everybody else. */
const RESERVE_BYTES = 1 << 28;
/** Pieces of this size that hold only zeros become holes. */
const HOLE_BYTES = 1 << 16;
/** Others write to the same disk: the room is looked at again after so much. */
const LOOK_AGAIN_BYTES = 1 << 28;

/**
 * A file without a name: it is gone when it is closed, and when the process
 * ends in any way, so no crash leaves one behind. Zeros are holes in it.
 */
export class TemporaryFile implements BlockSource {
  readonly #file: FileHandle;
  readonly #directory: string;
  readonly #mostBytes: number;
  #sizeBytes = 0;
  #writtenBytes = 0;
  #lookAtBytes = LOOK_AGAIN_BYTES;

  private constructor(file: FileHandle, directory: string, mostBytes: number) {
    this.#file = file;
    this.#directory = directory;
    this.#mostBytes = mostBytes;
  }

  /**
   * @param neededBytes at least so many will be written, as far as it is known
   * @throws {Fault} TEMPORARY_SPACE
   */
  static async create(space: TemporarySpace, neededBytes = 0): Promise<TemporaryFile> {
    const directory = space.directory ?? process.env["TMPDIR"] ?? "/var/tmp";
    const freeBytes = await freeBytesOf(directory);
    const mostBytes = Math.min(space.mostBytes ?? Infinity, freeBytes - RESERVE_BYTES);
    if (mostBytes <= 0 || neededBytes > mostBytes) throw noSpace(directory, neededBytes, mostBytes);
    return new TemporaryFile(await openNameless(directory), directory, mostBytes);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** For a child process that inherits it. */
  get descriptor(): number {
    return this.#file.fd;
  }

  /** @throws {Fault} TEMPORARY_SPACE */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#sizeBytes = Math.max(this.#sizeBytes, offset + bytes.length);
    for (let at = 0; at < bytes.length; ) {
      // Pieces end where those of the file do, so that holes are whole pages of it.
      const end = Math.min(bytes.length, at + HOLE_BYTES - ((offset + at) % HOLE_BYTES));
      const piece = bytes.subarray(at, end);
      if (!isZero(piece)) await this.#writePiece(offset + at, piece);
      at = end;
    }
  }

  /** Writes zeros, too: for a place that may have held something else before. @throws {Fault} TEMPORARY_SPACE */
  async overwrite(offset: number, bytes: Uint8Array): Promise<void> {
    this.#sizeBytes = Math.max(this.#sizeBytes, offset + bytes.length);
    await this.#writePiece(offset, bytes);
  }

  /** Gives the file its length, which ends in a hole when its last bytes are zeros. */
  async finish(sizeBytes = this.#sizeBytes): Promise<void> {
    this.#sizeBytes = sizeBytes;
    await this.#file.truncate(sizeBytes);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length; ) {
      const { bytesRead } = await this.#file.read(bytes, at, length - at, offset + at);
      if (bytesRead === 0) throw new RangeError(`the temporary file ends at ${offset + at}`);
      at += bytesRead;
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #writePiece(offset: number, piece: Uint8Array): Promise<void> {
    this.#writtenBytes += piece.length;
    if (this.#writtenBytes > this.#mostBytes) throw noSpace(this.#directory, this.#writtenBytes, this.#mostBytes);
    if (this.#writtenBytes > this.#lookAtBytes) {
      this.#lookAtBytes += LOOK_AGAIN_BYTES;
      const freeBytes = await freeBytesOf(this.#directory);
      if (freeBytes < RESERVE_BYTES) throw noSpace(this.#directory, this.#writtenBytes, 0);
    }
    try {
      for (let at = 0; at < piece.length; )
        at += (await this.#file.write(piece, at, piece.length - at, offset + at)).bytesWritten;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOSPC" || code === "EDQUOT") throw noSpace(this.#directory, this.#writtenBytes, 0, error);
      throw error;
    }
  }
}

/** Where the file system cannot make one, it has a name for a moment. */
async function openNameless(directory: string): Promise<FileHandle> {
  try {
    return await open(directory, O_TMPFILE | constants.O_RDWR | constants.O_EXCL, 0o600);
  } catch (error) {
    if (!["EOPNOTSUPP", "EISDIR", "ENOENT", "EINVAL"].includes((error as NodeJS.ErrnoException).code ?? ""))
      throw error;
    const path = join(directory, `bootcast-${randomUUID()}`);
    const file = await open(path, "wx+", 0o600);
    await unlink(path);
    return file;
  }
}

async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

function isZero(bytes: Uint8Array): boolean {
  return zeros.compare(bytes, 0, bytes.length, 0, bytes.length) === 0;
}

const zeros = Buffer.alloc(HOLE_BYTES);

function noSpace(directory: string, neededBytes: number, mostBytes: number, cause?: unknown): Fault {
  const needs = neededBytes === 0 ? "Unpacking needs room" : `Unpacking needs at least ${inMebibytes(neededBytes)}`;
  return new Fault(
    "TEMPORARY_SPACE",
    {
      what: `The image cannot be unpacked in ${directory}.`,
      why: `${needs}, and ${inMebibytes(Math.max(0, mostBytes))} may be used there: ${inMebibytes(RESERVE_BYTES)} are left to others.`,
      fix: "Make room, or name another folder: TMPDIR=/large/folder before the command.",
    },
    cause,
  );
}

function inMebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
