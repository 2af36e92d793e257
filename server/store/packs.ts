import { access, type FileHandle, open, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault } from "../../fault.ts";
import { PACK_FRONT_BYTES, packDigest } from "../../images/pack.ts";
import type { PackReader } from "../../images/pack-reader.ts";
import { SEAL_BYTES, SEALED_HEADER_BYTES, SEALED_TAG_BYTES, sealOf } from "../../images/sealed-pack.ts";
import { type StoreDisk, tellingFull } from "./disk.ts";
import { diskFull, missingPack, packLength } from "./faults.ts";
import { isMissing, readdirOrNone, writeWhole } from "./files.ts";
import type { StoreKeyFile } from "./key-file.ts";
import { PackSealer } from "./pack-sealer.ts";
import type { PackForm } from "./seal-state.ts";

/**
 * The packs of an image store, by digest, and how its files get their names.
 *
 * A pack that is written or found sound is marked as used just now: whoever
 * collects packs that no image names leaves young ones alone, since an import or
 * a capture that is under way may count on them.
 *
 * Whoever reads or writes a pack here has to do with its plain bytes and their digest; whether it lies there
 * sealed is told by `sealer` (images/sealed-pack.ts has the form).
 */
export class PackStore implements PackReader {
  readonly directory: string;
  readonly disk: StoreDisk;
  readonly sealer: PackSealer;
  /** Directories whose names are not safe from a power cut yet. */
  #unsynced = new Set<string>();
  #syncing: Promise<void> = Promise.resolve();

  constructor(directory: string, disk: StoreDisk, keys: StoreKeyFile | undefined) {
    this.directory = directory;
    this.sealer = new PackSealer(directory, keys);
    this.disk = tellingFull(disk, (cause) => diskFull(directory, cause));
  }

  /** True when the pack is there; its content is checked when it is read. */
  async has(digest: string): Promise<boolean> {
    try {
      await access(this.packPath(digest));
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** @throws {Fault} PACK_MISSING, PACK_DAMAGED, STORE_KEY_MISSING, STORE_KEY_WRONG */
  async readPack(digest: string): Promise<Uint8Array> {
    let bytes: Uint8Array;
    try {
      bytes = await readFile(this.packPath(digest));
    } catch (error) {
      if (isMissing(error)) throw missingPack(digest, error);
      throw error;
    }
    return this.sealer.open(digest, bytes);
  }

  /** For streams: the same as `readPack`. */
  read(pack: { readonly digest: string }): Promise<Uint8Array> {
    return this.readPack(pack.digest);
  }

  /** The same, into memory that is there. @throws {Fault} those of `readPack`; PACK_LENGTH when it does not fit */
  async readInto({ digest }: { readonly digest: string }, _number: number, target: Uint8Array): Promise<void> {
    if (await this.#readFileInto(digest, target)) return;
    // It is not there, or not as it should be: this way says what is wrong.
    const bytes = await this.readPack(digest);
    if (bytes.length !== target.length) throw packLength(digest, bytes.length, target.length);
    target.set(bytes);
  }

  /**
   * Keeps a pack. One that is there already stays, unless it is damaged, or not sealed as the store is. Returns whether
   * it was written.
   *
   * @throws {Fault} STORE_FULL, STORE_NOT_SEALED, STORE_KEY_MISSING, STORE_KEY_WRONG
   */
  async writePack(digest: string, bytes: Uint8Array): Promise<boolean> {
    let form = await this.sealer.wanted();
    if ((await this.isSound(digest)) && (await this.formOf(digest)) === form) return false;
    for (let written: PackForm | undefined; written !== form; form = await this.sealer.wanted()) {
      await this.publish(this.packPath(digest), await this.sealer.seal(digest, bytes, form), "replace");
      // Asked again: when sealing began in between, it may have looked into this folder before the pack was there.
      written = form;
    }
    return true;
  }

  /**
   * True when the pack is there and has the bytes that its name says; then it is marked as used.
   *
   * @throws {Fault} STORE_KEY_MISSING, STORE_KEY_WRONG: then nobody can tell
   */
  async isSound(digest: string): Promise<boolean> {
    const path = this.packPath(digest);
    try {
      if (packDigest(await this.readPack(digest)) !== digest) return false;
      await this.disk.touch(path, Date.now()).catch(refuseOthers);
      // Who wrote it may not have come to this.
      this.#unsynced.add(dirname(path));
      return true;
    } catch (error) {
      if (isPackFault(error) || isMissing(error)) return false;
      throw error;
    }
  }

  /** How a pack lies there, as it says itself; undefined when it is not there. */
  async formOf(digest: string): Promise<PackForm | undefined> {
    const found = await this.#readStart(digest, SEALED_HEADER_BYTES);
    return found && (sealOf(found.start) ?? "plain");
  }

  /** The digests of all packs, whether an image names them or not. */
  async *packDigests(): AsyncGenerator<string> {
    for (const folder of await this.packFolders()) yield* await this.packsIn(folder);
  }

  /** The folders that packs lie in: the first two letters of their digests. */
  async packFolders(): Promise<string[]> {
    return (await readdirOrNone(join(this.directory, "packs"))).filter((name) => /^[0-9a-f]{2}$/.test(name)).sort();
  }

  /** The digests of the packs in one folder. */
  async packsIn(folder: string): Promise<string[]> {
    const files = await readdirOrNone(join(this.directory, "packs", folder));
    return files.flatMap((file) => /^([0-9a-f]{64})\.pack$/.exec(file)?.[1] ?? []);
  }

  /**
   * The first bytes of a pack, where its cells' ids are, and how long it is; undefined when it is not there. Nothing
   * is checked.
   *
   * @throws {Fault} STORE_KEY_MISSING, STORE_KEY_WRONG
   */
  async readFront(digest: string): Promise<{ front: Uint8Array; sizeBytes: number } | undefined> {
    const found = await this.#readStart(digest, SEALED_HEADER_BYTES + PACK_FRONT_BYTES);
    if (found === undefined) return undefined;
    const isSealed = sealOf(found.start) !== undefined;
    const front = await this.sealer.openFront(digest, found.start);
    return { front, sizeBytes: found.sizeBytes - (isSealed ? SEAL_BYTES : 0) };
  }

  packPath(digest: string): string {
    if (!/^[0-9a-f]{64}$/.test(digest)) throw new RangeError(`Not a pack digest: ${digest}`);
    return join(this.directory, "packs", digest.slice(0, 2), `${digest}.pack`);
  }

  /**
   * Gives a file of the store all of its content at once. "keep": never one that is there already.
   *
   * @throws {Fault} STORE_FULL
   */
  async publish(path: string, bytes: Uint8Array, mode: "replace" | "keep"): Promise<void> {
    await this.#makeDirectory(dirname(path));
    await writeWhole(this.disk, join(this.directory, "temp"), path, bytes, mode);
    this.#unsynced.add(dirname(path));
  }

  /** All names that were given so far survive a power cut from now on. */
  syncNames(): Promise<void> {
    const before = this.#syncing;
    // Several versions may be made at once, so each waits for what another has begun to sync.
    this.#syncing = (async () => {
      await before.catch(() => {});
      for (const directory of this.#unsynced) {
        this.#unsynced.delete(directory);
        try {
          await this.disk.syncDirectory(directory);
        } catch (error) {
          this.#unsynced.add(directory);
          throw error;
        }
      }
    })();
    return this.#syncing;
  }

  /** False when it is missing, or of another length than either form has: then nothing in `target` counts. */
  async #readFileInto(digest: string, target: Uint8Array): Promise<boolean> {
    const file = await open(this.packPath(digest)).catch(() => undefined);
    if (file === undefined) return false;
    try {
      const { size } = await file.stat();
      if (size === target.length) return (await fill(file, target, 0)) && sealOf(target) === undefined;
      if (size !== target.length + SEAL_BYTES) return false;
      const header = new Uint8Array(SEALED_HEADER_BYTES);
      const tag = new Uint8Array(SEALED_TAG_BYTES);
      const isRead =
        (await fill(file, header, 0)) &&
        (await fill(file, target, header.length)) &&
        (await fill(file, tag, header.length + target.length));
      const id = isRead ? sealOf(header) : undefined;
      if (id === undefined) return false;
      await this.sealer.openInto(digest, id, { header, text: target, tag }, target);
      return true;
    } finally {
      await file.close();
    }
  }

  async #readStart(digest: string, lengthBytes: number) {
    try {
      const file = await open(this.packPath(digest));
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(lengthBytes), 0, lengthBytes, 0);
        return { start: buffer.subarray(0, bytesRead), sizeBytes: (await file.stat()).size };
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async #makeDirectory(directory: string): Promise<void> {
    const first = await this.disk.makeDirectory(directory);
    if (first === undefined) return;
    // Each new one is a name in the one above.
    for (let made = directory; made.length >= first.length; made = dirname(made)) this.#unsynced.add(dirname(made));
  }
}

/** False when the file ends before. */
async function fill(file: FileHandle, target: Uint8Array, fromByte: number): Promise<boolean> {
  for (let at = 0; at < target.length; ) {
    const { bytesRead } = await file.read(target, at, target.length - at, fromByte + at);
    if (bytesRead === 0) return false;
    at += bytesRead;
  }
  return true;
}

/** Whether an error says of one pack that it is missing or damaged; any other is about more than this pack. */
export function isPackFault(error: unknown): error is Fault {
  return error instanceof Fault && error.code.startsWith("PACK_");
}

/** Who may not mark another user's file counts on it all the same: should it go, publishing says so. */
function refuseOthers(error: unknown): void {
  const { code = "" } = error as NodeJS.ErrnoException;
  if (!["EPERM", "EACCES"].includes(code)) throw error;
}
