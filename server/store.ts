import type { KeyObject } from "node:crypto";
import { access, mkdir, open, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault } from "../fault.ts";
import { isImageName, type Manifest } from "../images/manifest.ts";
import {
  decodeManifest,
  decodeSummary,
  type ManifestSummary,
  PREFIX_BYTES,
  summaryBytes,
} from "../images/manifest-codec.ts";
import { PACK_FRONT_BYTES, packDigest } from "../images/pack.ts";
import type { PackReader } from "../images/pack-reader.ts";
import { badName, diskFull, missingImage, missingPack, unreadable, versionExists } from "./store-faults.ts";
import { isMissing, readdirOrNone, removeLeftovers, syncDirectory, writeWhole } from "./store-files.ts";
import { takeImageLock } from "./store-lock.ts";

/** A signed manifest as it is sent, and what it says. */
export type StoredManifest = { readonly bytes: Uint8Array; readonly manifest: Manifest };

/** One image version in a list; not checked against its signature. */
export type ImageSummary = ManifestSummary;

/** One image version whose manifest cannot be read. */
export type DamagedImage = { readonly name: string; readonly version: number; readonly fault: Fault };

/**
 * The site's images in a directory:
 *
 *   packs/ab/abcd….pack              packs by digest, shared by all images
 *   manifests/<name>/<version>.manifest
 *   locks/<name>.lock                held while a version of that image is made
 *   temp/                            files that are being written
 *
 * A file appears under its name only when all of it is on the disk, and never
 * changes afterwards: a crash leaves files in temp/ and nothing else.
 */
export class ImageStore implements PackReader {
  readonly directory: string;
  readonly #trusted: readonly KeyObject[];
  #touched = new Set<string>();
  #synced: Promise<void> = Promise.resolve();

  /** Use `openStore` or `readStore`. */
  constructor(directory: string, trusted: readonly KeyObject[]) {
    this.directory = directory;
    this.#trusted = trusted;
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

  /** @throws {Fault} PACK_MISSING */
  async readPack(digest: string): Promise<Uint8Array> {
    try {
      return await readFile(this.packPath(digest));
    } catch (error) {
      if (isMissing(error)) throw missingPack(digest, error);
      throw error;
    }
  }

  /** For streams: the same as `readPack`. */
  read(pack: { readonly digest: string }): Promise<Uint8Array> {
    return this.readPack(pack.digest);
  }

  /** Keeps a pack. One that is there already stays, unless it is damaged. Returns whether it was written. */
  async writePack(digest: string, bytes: Uint8Array): Promise<boolean> {
    if (await this.isSound(digest)) return false;
    await this.#publish(this.packPath(digest), bytes, "replace");
    return true;
  }

  /** True when the pack is there and has the bytes that its name says. */
  async isSound(digest: string): Promise<boolean> {
    try {
      return packDigest(await readFile(this.packPath(digest))) === digest;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** The digests of all packs, whether an image names them or not. */
  async *packDigests(): AsyncGenerator<string> {
    const packs = join(this.directory, "packs");
    for (const folder of await readdirOrNone(packs)) {
      for (const file of await readdirOrNone(join(packs, folder))) {
        const digest = /^([0-9a-f]{64})\.pack$/.exec(file)?.[1];
        if (digest !== undefined) yield digest;
      }
    }
  }

  /** The first bytes of a pack, where its cells' ids are, and how long it is; undefined when it is not there. */
  async readFront(digest: string): Promise<{ front: Uint8Array; sizeBytes: number } | undefined> {
    try {
      const file = await open(this.packPath(digest));
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(PACK_FRONT_BYTES), 0, PACK_FRONT_BYTES, 0);
        return { front: buffer.subarray(0, bytesRead), sizeBytes: (await file.stat()).size };
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** The names of all images. */
  names(): Promise<string[]> {
    return this.#names();
  }

  /** A manifest's bytes as they are stored, nothing checked. */
  async readManifestFile(name: string, version: number): Promise<Uint8Array> {
    return readFile(this.#manifestPath(name, version));
  }

  packPath(digest: string): string {
    if (!/^[0-9a-f]{64}$/.test(digest)) throw new RangeError(`Not a pack digest: ${digest}`);
    return join(this.directory, "packs", digest.slice(0, 2), `${digest}.pack`);
  }

  /**
   * All versions of all images, by name and then version.
   *
   * @param onDamaged told of each whose manifest cannot be read; it is left out, and hides no other
   */
  async listImages(onDamaged?: (image: DamagedImage) => void): Promise<ImageSummary[]> {
    const images: ImageSummary[] = [];
    for (const name of (await this.#names()).sort()) {
      for (const version of await this.versions(name)) {
        try {
          images.push(await this.#readSummary(name, version));
        } catch (error) {
          onDamaged?.({ name, version, fault: error instanceof Fault ? error : unreadable(name, version, error) });
        }
      }
    }
    return images;
  }

  /** The versions of an image, ascending; none when there is no such image. */
  async versions(name: string): Promise<number[]> {
    const files = await readdirOrNone(join(this.directory, "manifests", checkedName(name)));
    const versions = files.map((file) => /^([1-9][0-9]{0,8})\.manifest$/.exec(file)?.[1]);
    return versions.flatMap((version) => (version === undefined ? [] : [Number(version)])).sort((a, b) => a - b);
  }

  /**
   * A manifest, its signature checked; the newest version unless one is named.
   *
   * @throws {Fault} IMAGE_MISSING, and those of `decodeManifest`
   */
  async readManifest(name: string, version?: number): Promise<StoredManifest> {
    const wanted = version ?? (await this.versions(name)).at(-1);
    if (wanted === undefined) throw missingImage(name, version, await this.#names());
    try {
      const bytes = await readFile(this.#manifestPath(name, wanted));
      return { bytes, manifest: decodeManifest(bytes, this.#trusted) };
    } catch (error) {
      if (isMissing(error)) throw missingImage(name, version, await this.#names());
      throw error;
    }
  }

  /**
   * Publishes an image version: from now on others see it. All its packs are on the disk by then.
   *
   * @throws {Fault} IMAGE_EXISTS when this version is there already
   */
  async writeManifest(bytes: Uint8Array): Promise<Manifest> {
    const manifest = decodeManifest(bytes, this.#trusted);
    const { name, version } = manifest.tag;
    await this.#syncTouched();
    const path = this.#manifestPath(name, version);
    await this.#publish(path, bytes, "keep");
    await syncDirectory(dirname(path));
    return manifest;
  }

  /**
   * Reserves the next version of an image for the caller, until `release` or its process ends.
   *
   * @throws {Fault} IMAGE_BUSY when another process makes a version of it
   */
  async reserveVersion(name: string): Promise<{ version: number; release: () => Promise<void> }> {
    const directory = join(this.directory, "locks");
    await mkdir(directory, { recursive: true });
    const release = await takeImageLock(join(directory, `${checkedName(name)}.lock`), name);
    return { version: ((await this.versions(name)).at(-1) ?? 0) + 1, release };
  }

  /** Several versions may be made at once, so each waits for what another has begun to sync. */
  #syncTouched(): Promise<void> {
    const touched = this.#touched;
    this.#touched = new Set();
    const before = this.#synced;
    this.#synced = (async () => {
      await before;
      for (const directory of touched) await syncDirectory(directory);
    })();
    return this.#synced;
  }

  #manifestPath(name: string, version: number): string {
    return join(this.directory, "manifests", checkedName(name), `${version}.manifest`);
  }

  async #names(): Promise<string[]> {
    return (await readdirOrNone(join(this.directory, "manifests"))).filter(isImageName);
  }

  async #readSummary(name: string, version: number): Promise<ImageSummary> {
    const file = await open(this.#manifestPath(name, version));
    try {
      const prefix = Buffer.alloc(PREFIX_BYTES);
      await file.read(prefix, 0, PREFIX_BYTES, 0);
      const front = Buffer.alloc(Math.min(summaryBytes(prefix), (await file.stat()).size));
      await file.read(front, 0, front.length, 0);
      return decodeSummary(front);
    } finally {
      await file.close();
    }
  }

  /** A pack may be replaced by its sound self; a manifest never is. */
  async #publish(path: string, bytes: Uint8Array, mode: "replace" | "keep"): Promise<void> {
    await this.#makeDirectory(dirname(path));
    try {
      await writeWhole(join(this.directory, "temp"), path, bytes, mode);
      this.#touched.add(dirname(path));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOSPC" || code === "EDQUOT") throw diskFull(this.directory, error);
      if (code === "EEXIST" && mode === "keep") throw versionExists(path, error);
      throw error;
    }
  }

  async #makeDirectory(directory: string): Promise<void> {
    const first = await mkdir(directory, { recursive: true });
    if (first !== undefined) this.#touched.add(dirname(first));
  }
}

/**
 * Opens the store in `directory` (made when missing) and removes what crashed processes left.
 *
 * @param trusted the keys that may have signed its manifests: the site's own
 */
export async function openStore(directory: string, trusted: readonly KeyObject[]): Promise<ImageStore> {
  const temporary = join(directory, "temp");
  await mkdir(temporary, { recursive: true });
  await removeLeftovers(temporary);
  return new ImageStore(directory, trusted);
}

/**
 * The store in `directory` for reading: nothing is made or removed. A directory that is missing has no images.
 *
 * @param trusted as above; none are needed for `listImages`
 */
export function readStore(directory: string, trusted: readonly KeyObject[]): ImageStore {
  return new ImageStore(directory, trusted);
}

function checkedName(name: string): string {
  if (isImageName(name)) return name;
  throw badName(name);
}
