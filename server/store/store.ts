import type { KeyObject } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault } from "../../fault.ts";
import { isImageName, type Manifest, type PackEntry } from "../../images/manifest.ts";
import {
  decodeManifest,
  decodeSummary,
  type ManifestSummary,
  PREFIX_BYTES,
  summaryBytes,
} from "../../images/manifest-codec.ts";
import { realDisk, type StoreDisk } from "./disk.ts";
import { badName, diskFull, missingImage, nameOfAlias, packsGone, unreadable, versionExists } from "./faults.ts";
import { isFull, isMissing, readdirOrNone, removeLeftovers } from "./files.ts";
import { guardStore } from "./guard.ts";
import type { StoreKeyFile } from "./key-file.ts";
import { takeImageLock } from "./lock.ts";
import { PackStore } from "./packs.ts";
import { sealNewStore } from "./seal.ts";

/** A signed manifest as it is sent, and what it says. */
export type StoredManifest = { readonly bytes: Uint8Array; readonly manifest: Manifest };

/** One image version in a list; not checked against its signature. */
export type ImageSummary = ManifestSummary;

/** One image version whose manifest cannot be read. */
export type DamagedImage = { readonly name: string; readonly version: number; readonly fault: Fault };

/** An image version, as an alias or a person names it. */
export type ImageVersion = { readonly name: string; readonly version: number };

export type StoreOptions = {
  /** The keys of a sealed store. Given for a store that is new, it becomes a sealed one. */
  readonly keys?: StoreKeyFile | undefined;
  /** For tests. */
  readonly disk?: StoreDisk;
};

/**
 * The site's images in a directory:
 *
 *   packs/ab/abcd….pack              packs by digest, shared by all images; plain or sealed (images/sealed-pack.ts)
 *   manifests/<name>/<version>.manifest
 *   manifests/<name>/<version>.removed   its number is not given again (remove.ts)
 *   manifests/<name>/<version>.notes, .verified   said of it later (labels.ts)
 *   refs/<alias>                     another name of an image version
 *   seal                             how the packs are sealed, when they are (seal-state.ts)
 *   locks/<name>.lock                held while a version of that image is made
 *   lock                             held while images or packs come or go (guard.ts)
 *   temp/                            files that are being written
 *
 * A file appears under its name only when all of it is on the disk, and packs and
 * manifests never change afterwards: a crash leaves files in temp/ and packs that no image names, nothing else.
 */
export class ImageStore extends PackStore {
  readonly #trusted: readonly KeyObject[];

  /** Use `openStore` or `readStore`. */
  constructor(directory: string, trusted: readonly KeyObject[], { disk = realDisk, keys }: StoreOptions = {}) {
    super(directory, disk, keys);
    this.#trusted = trusted;
  }

  /** The names of all images. */
  names(): Promise<string[]> {
    return this.#names();
  }

  /** A manifest's bytes as they are stored, nothing checked. */
  async readManifestFile(name: string, version: number): Promise<Uint8Array> {
    return readFile(this.manifestPath(name, version));
  }

  manifestPath(name: string, version: number): string {
    return join(this.directory, "manifests", checkedName(name), `${version}.manifest`);
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
          images.push(await this.readSummary(name, version));
        } catch (error) {
          onDamaged?.({ name, version, fault: error instanceof Fault ? error : unreadable(name, version, error) });
        }
      }
    }
    return images;
  }

  /** The versions of an image, ascending; none when there is no such image. */
  versions(name: string): Promise<number[]> {
    return this.#numbersOf(name, "manifest");
  }

  /** What an alias stands for; undefined when it is none. */
  async aliasOf(name: string): Promise<ImageVersion | undefined> {
    try {
      const text = await readFile(join(this.directory, "refs", checkedName(name)), "utf8");
      const [, image, version] = /^([^:]+):([1-9][0-9]{0,8})\n$/.exec(text) ?? [];
      return image !== undefined && isImageName(image) ? { name: image, version: Number(version) } : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /**
   * A manifest, its signature checked; the newest version unless one is named. An alias gives what it stands for.
   *
   * @throws {Fault} IMAGE_MISSING, and those of `decodeManifest`
   */
  async readManifest(name: string, version?: number): Promise<StoredManifest> {
    let wanted = version === undefined ? undefined : { name, version };
    if (wanted === undefined) {
      const newest = (await this.versions(name)).at(-1);
      wanted = newest === undefined ? await this.aliasOf(name) : { name, version: newest };
    }
    if (wanted === undefined) throw missingImage(name, version, await this.#names());
    try {
      const bytes = await readFile(this.manifestPath(wanted.name, wanted.version));
      return { bytes, manifest: decodeManifest(bytes, this.#trusted) };
    } catch (error) {
      if (isMissing(error)) throw missingImage(name, version, await this.#names());
      throw error;
    }
  }

  /**
   * Publishes an image version: from now on others see it. All its packs are on the disk by then.
   *
   * @throws {Fault} IMAGE_EXISTS when this version is there already, PACKS_GONE, STORE_BUSY, STORE_FULL
   */
  async writeManifest(bytes: Uint8Array): Promise<Manifest> {
    const manifest = decodeManifest(bytes, this.#trusted);
    const { name, version } = manifest.tag;
    await this.syncNames();
    // From the look at the packs until the manifest names them nobody may take one away.
    using _ = await guardStore(this.directory);
    await this.#requirePacks(manifest.packs);
    const path = this.manifestPath(name, version);
    try {
      await this.publish(path, bytes, "keep");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") throw versionExists(path, error);
      throw error;
    }
    await this.syncNames();
    return manifest;
  }

  /**
   * Reserves the next version of an image for the caller, until `release` or its process ends.
   * The number of a version that was removed is not given again.
   *
   * @throws {Fault} IMAGE_BUSY when another process makes a version of it, IMAGE_NAME
   */
  async reserveVersion(name: string): Promise<{ version: number; release: () => Promise<void> }> {
    const directory = join(this.directory, "locks");
    const alias = await this.aliasOf(name);
    if (alias !== undefined) throw nameOfAlias(name, alias);
    try {
      await this.disk.makeDirectory(directory);
      const release = await takeImageLock(join(directory, `${checkedName(name)}.lock`), name);
      const numbers = [...(await this.versions(name)), ...(await this.#numbersOf(name, "removed"))];
      return { version: Math.max(0, ...numbers) + 1, release };
    } catch (error) {
      if (isFull(error)) throw diskFull(this.directory, error);
      throw error;
    }
  }

  async #requirePacks(packs: readonly PackEntry[]): Promise<void> {
    const wanted = new Map<string, string[]>();
    for (const { digest } of packs) {
      const folder = digest.slice(0, 2);
      const digests = wanted.get(folder);
      if (digests === undefined) wanted.set(folder, [digest]);
      else digests.push(digest);
    }
    let missing = 0;
    for (const [folder, digests] of wanted) {
      const there = new Set(await this.packsIn(folder));
      for (const digest of digests) if (!there.has(digest)) missing += 1;
    }
    if (missing > 0) throw packsGone(missing);
  }

  async #numbersOf(name: string, kind: "manifest" | "removed"): Promise<number[]> {
    const files = await readdirOrNone(join(this.directory, "manifests", checkedName(name)));
    const numbers = files.map((file) => /^([1-9][0-9]{0,8})\.([a-z]+)$/.exec(file));
    return numbers.flatMap((match) => (match?.[2] === kind ? [Number(match[1])] : [])).sort((a, b) => a - b);
  }

  async #names(): Promise<string[]> {
    return (await readdirOrNone(join(this.directory, "manifests"))).filter(isImageName);
  }

  /** The front of a manifest, quickly: not checked against its signature. */
  async readSummary(name: string, version: number): Promise<ImageSummary> {
    const file = await open(this.manifestPath(name, version));
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
}

/**
 * Opens the store in `directory` (made when missing) and removes what crashed processes left.
 *
 * @param trusted the keys that may have signed its manifests: the site's own
 * @throws {Fault} STORE_FULL; STORE_KEY_MISSING when a new store shall be sealed and there is no key
 */
export async function openStore(
  directory: string,
  trusted: readonly KeyObject[],
  options: StoreOptions = {},
): Promise<ImageStore> {
  const store = new ImageStore(directory, trusted, options);
  const temporary = join(directory, "temp");
  const first = await store.disk.makeDirectory(temporary);
  if (first !== undefined) {
    for (let made = temporary; made.length >= first.length; made = dirname(made))
      await store.disk.syncDirectory(dirname(made));
  }
  await removeLeftovers(store.disk, temporary);
  if (options.keys !== undefined && (await store.names()).length === 0) await sealNewStore(store, options.keys);
  return store;
}

/**
 * The store in `directory` for reading: nothing is made or removed. A directory that is missing has no images.
 *
 * @param trusted as above; none are needed for `listImages`
 */
export function readStore(
  directory: string,
  trusted: readonly KeyObject[],
  options: Pick<StoreOptions, "keys"> = {},
): ImageStore {
  return new ImageStore(directory, trusted, options);
}

function checkedName(name: string): string {
  if (isImageName(name)) return name;
  throw badName(name);
}
