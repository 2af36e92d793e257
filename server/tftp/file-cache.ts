import { Fault } from "../../fault.ts";
import { type BootFile, openBootFile } from "../boot/files.ts";

/** What fits: the loaders of every architecture many times over. Kernel and initramfs go by HTTP. */
const defaultLimitBytes = 256 * 1024 * 1024;

/**
 * Boot files in memory, so that a room that starts at once costs one read of the disk, and a cold disk never makes
 * firmware repeat its request. A changed file is read again; the longest unused ones go first when space is short.
 */
export class FileCache {
  readonly #limitBytes: number;
  /** In the order of use, the longest unused first. */
  readonly #entries = new Map<
    string,
    { readonly stamp: string; readonly sizeBytes: number; bytes: Promise<Uint8Array> }
  >();
  #heldBytes = 0;
  #reads = 0;

  constructor(limitBytes: number = defaultLimitBytes) {
    this.#limitBytes = limitBytes;
  }

  /** How often the disk was read. */
  get reads(): number {
    return this.#reads;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * The whole content of a file that `findBootFile` found just now.
   * @throws {Fault} BOOT_FILE_TOO_LARGE, BOOT_FILE_UNREADABLE
   */
  read(file: BootFile): Promise<Uint8Array> {
    if (file.sizeBytes > this.#limitBytes) return Promise.reject(tooLarge(file, this.#limitBytes));
    const known = this.#entries.get(file.path);
    if (known !== undefined && known.stamp === file.stamp) {
      this.#entries.delete(file.path);
      this.#entries.set(file.path, known);
      return known.bytes;
    }
    this.#drop(file.path);
    this.#reads += 1;
    const bytes = readWhole(file);
    const entry = { stamp: file.stamp, sizeBytes: file.sizeBytes, bytes };
    this.#entries.set(file.path, entry);
    this.#heldBytes += file.sizeBytes;
    for (const [path] of this.#entries) {
      if (this.#heldBytes <= this.#limitBytes) break;
      if (path !== file.path) this.#drop(path);
    }
    // A failed read must not be remembered: the file may be there the next time.
    bytes.catch(() => {
      if (this.#entries.get(file.path) === entry) this.#drop(file.path);
    });
    return bytes;
  }

  #drop(path: string): void {
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    this.#entries.delete(path);
    this.#heldBytes -= entry.sizeBytes;
  }
}

async function readWhole(file: BootFile): Promise<Uint8Array> {
  const handle = await openBootFile(file);
  if (handle === undefined) throw unreadable(file, "It was removed while it was asked for.");
  try {
    // Shared memory: the thread that sends it reads the same bytes.
    const bytes = new Uint8Array(new SharedArrayBuffer(file.sizeBytes));
    let filled = 0;
    for (let got = 1; got > 0 && filled < bytes.length; filled += got) {
      got = (await handle.read(bytes, filled, bytes.length - filled, filled)).bytesRead;
    }
    const after = await handle.stat();
    if (filled < bytes.length || after.size !== bytes.length) throw unreadable(file, "It changed while it was read.");
    return bytes;
  } finally {
    await handle.close();
  }
}

function tooLarge(file: BootFile, limitBytes: number): Fault {
  return new Fault("BOOT_FILE_TOO_LARGE", {
    what: `${file.path} has ${file.sizeBytes} bytes, too many for TFTP.`,
    why: `TFTP serves files of up to ${limitBytes} bytes from memory; large ones take minutes by TFTP.`,
    fix: "Let the loader fetch it by HTTP: the same path under /boot/.",
  });
}

function unreadable(file: BootFile, why: string): Fault {
  return new Fault("BOOT_FILE_UNREADABLE", {
    what: `${file.path} could not be read.`,
    why,
    fix: "The client will ask again by itself.",
  });
}
