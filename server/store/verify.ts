import { Fault } from "../../fault.ts";
import { CellIdTable } from "../../images/cell-id-table.ts";
import type { Manifest, PackEntry } from "../../images/manifest.ts";
import { decodePackTable } from "../../images/manifest-codec.ts";
import { decodePack, packDigest } from "../../images/pack.ts";
import { unreadable } from "./faults.ts";
import { checkImage } from "./image-check.ts";
import { setVerified } from "./labels.ts";
import { isPackFault } from "./packs.ts";
import { readSealState } from "./seal-state.ts";
import type { ImageStore, ImageVersion } from "./store.ts";

/** One pack that was missing or damaged. */
export type HurtPack = {
  readonly digest: string;
  readonly fault: Fault;
  /** The image versions that need it, as name:version; none for a pack that `sweepStore` will take. */
  readonly images: readonly string[];
  readonly isRepaired: boolean;
};

/** One image version, or why its manifest is not what the site signed. */
export type CheckedImage = ImageVersion & {
  readonly packs: number;
  readonly storedBytes: number;
  readonly badPacks: number;
  readonly fault?: Fault;
  readonly isManifestRepaired: boolean;
};

export type StoreCheck = {
  readonly images: readonly CheckedImage[];
  readonly hurt: readonly HurtPack[];
  /** Packs that were read, each once. */
  readonly packs: number;
  /** Packs that are plain in a sealed store, or sealed with another key than the store says, or sealed in a plain one. */
  readonly otherwiseSealed: number;
  /** When the result could not be kept beside the images: why. */
  readonly unkept?: string;
};

export type VerifyOptions = {
  readonly now: number;
  /** These only; all of them, and packs that no image names, when undefined. */
  readonly images?: readonly ImageVersion[];
  /** Another copy that holds what is bad here. What comes from it is checked like everything else. */
  readonly from?: ImageStore;
  readonly onProgress?: (doneBytes: number) => void;
  readonly signal?: AbortSignal;
};

/**
 * Checks manifests against the site's signature, and every pack against them, each once. With another copy, what is
 * bad is written anew.
 */
export async function verifyStore(store: ImageStore, options: VerifyOptions): Promise<StoreCheck> {
  return new Check(store, options).run();
}

class Check {
  readonly #store: ImageStore;
  readonly #options: VerifyOptions;
  readonly #seen = new CellIdTable();
  readonly #bad = new Map<string, { fault: Fault; images: string[]; isRepaired: boolean }>();
  #doneBytes = 0;
  #otherwiseSealed = 0;
  #unkept: string | undefined;

  constructor(store: ImageStore, options: VerifyOptions) {
    this.#store = store;
    this.#options = options;
  }

  async run(): Promise<StoreCheck> {
    const images: CheckedImage[] = [];
    for (const image of this.#options.images ?? (await this.#allImages())) images.push(await this.#checkImage(image));
    if (this.#options.images === undefined) await this.#checkOthers();
    if (this.#bad.size > 0) await this.#findHurt();
    return {
      images,
      hurt: [...this.#bad].map(([digest, { fault, images, isRepaired }]) => ({ digest, fault, images, isRepaired })),
      packs: this.#seen.count,
      otherwiseSealed: this.#otherwiseSealed,
      ...(this.#unkept === undefined ? {} : { unkept: this.#unkept }),
    };
  }

  async #allImages(): Promise<ImageVersion[]> {
    const images: ImageVersion[] = [];
    for (const name of (await this.#store.names()).sort())
      for (const version of await this.#store.versions(name)) images.push({ name, version });
    return images;
  }

  async #checkImage(image: ImageVersion): Promise<CheckedImage> {
    const nothing = { ...image, packs: 0, storedBytes: 0, badPacks: 0, isManifestRepaired: false };
    let manifest: Manifest;
    let isManifestRepaired = false;
    try {
      ({ manifest } = await this.#store.readManifest(image.name, image.version));
    } catch (error) {
      const repaired = await this.#repairManifest(image);
      if (repaired === undefined) {
        return { ...nothing, fault: error instanceof Fault ? error : unreadable(image.name, image.version, error) };
      }
      manifest = repaired;
      isManifestRepaired = true;
    }
    let badPacks = 0;
    const packs = new Map(manifest.packs.map((pack) => [pack.digest, pack]));
    const before = this.#doneBytes;
    const found = await checkImage(this.#store, manifest, {
      isChecked: ({ digest }) => this.#isSeen(digest),
      onProgress: ({ doneBytes }) => this.#options.onProgress?.(before + doneBytes),
      ...(this.#options.signal && { signal: this.#options.signal }),
    });
    const storedBytes = manifest.packs.reduce((sum, pack) => sum + pack.storedBytes, 0);
    this.#doneBytes += storedBytes;
    for (const { digest, fault } of found) {
      const isRepaired = await this.#repairPack(packs.get(digest)!);
      this.#bad.set(digest, { fault, images: [], isRepaired });
    }
    for (const digest of packs.keys()) if (this.#bad.get(digest)?.isRepaired === false) badPacks += 1;
    await this.#keep(image, badPacks);
    return { ...image, packs: packs.size, storedBytes, badPacks, isManifestRepaired };
  }

  /** All packs: how they are sealed. Of those that no manifest named only their own name tells what they should be. */
  async #checkOthers(): Promise<void> {
    const { target } = await readSealState(this.#store.directory);
    for await (const digest of this.#store.packDigests()) {
      this.#options.signal?.throwIfAborted();
      if ((await this.#store.formOf(digest)) !== target) this.#otherwiseSealed += 1;
      if (this.#isSeen(digest)) continue;
      if (await this.#hasItsBytes(digest)) continue;
      this.#bad.set(digest, { fault: unnamed(digest), images: [], isRepaired: false });
    }
  }

  async #hasItsBytes(digest: string): Promise<boolean> {
    try {
      return packDigest(await this.#store.readPack(digest)) === digest;
    } catch (error) {
      if (isPackFault(error) || (error as NodeJS.ErrnoException).code === "EIO") return false;
      throw error;
    }
  }

  /** True when it was asked about before. */
  #isSeen(digest: string): boolean {
    const id = Buffer.from(digest, "hex");
    if (this.#seen.find(id) !== undefined) return true;
    this.#seen.add(id);
    return false;
  }

  async #repairPack(pack: PackEntry): Promise<boolean> {
    const { from } = this.#options;
    if (from === undefined) return false;
    try {
      const bytes = await from.readPack(pack.digest);
      decodePack(bytes, pack);
      await this.#store.writePack(pack.digest, bytes);
      return true;
    } catch (error) {
      if (isPackFault(error)) return false;
      throw error;
    }
  }

  async #repairManifest({ name, version }: ImageVersion): Promise<Manifest | undefined> {
    const { from } = this.#options;
    if (from === undefined) return undefined;
    try {
      const { bytes, manifest } = await from.readManifest(name, version);
      if (manifest.tag.name !== name || manifest.tag.version !== version) return undefined;
      await this.#store.publish(this.#store.manifestPath(name, version), bytes, "replace");
      await this.#store.syncNames();
      return manifest;
    } catch (error) {
      if (error instanceof Fault && /^(IMAGE|MANIFEST)_/.test(error.code)) return undefined;
      throw error;
    }
  }

  /** Which images a bad pack hurts: also those that were not asked about. */
  async #findHurt(): Promise<void> {
    for (const { name, version } of await this.#allImages()) {
      try {
        const { entries } = decodePackTable(await this.#store.readManifestFile(name, version));
        for (const { digest } of entries) this.#bad.get(digest)?.images.push(`${name}:${version}`);
      } catch {
        // Told already: its manifest is damaged.
      }
    }
  }

  async #keep(image: ImageVersion, badPacks: number): Promise<void> {
    try {
      await setVerified(this.#store, image, { atMs: this.#options.now, badPacks });
    } catch (error) {
      // Whoever may only read the store may check it all the same.
      this.#unkept = (error as Error).message;
    }
  }
}

function unnamed(digest: string): Fault {
  return new Fault("PACK_DAMAGED", {
    what: `Pack ${digest} is damaged.`,
    why: "It does not have the bytes that its name says. No image needs it.",
    fix: 'None is needed: "bootcast image sweep" takes it away.',
  });
}
