import { createHash } from "node:crypto";
import type { ImageStore } from "./store.ts";

/** What is known of an image version only when the whole of its manifest is read. */
export type ImageDetail = {
  /** SHA-256 of its signed manifest, hex: two that have the same are the same to the last byte. */
  readonly manifestDigest: string;
  /** The version before it, and the stored bytes that this one has and that one has not. */
  readonly before: { readonly version: number; readonly newBytes: number } | null;
};

/** A manifest may have a megabyte; what was worked out of it is small. */
const MOST_KNOWN = 500;

/**
 * Reads manifests one after the other, whoever asks, and each of them once: a version never changes. One that is made
 * anew under the number of one that was removed has another time.
 */
export class ImageDetails {
  readonly #store: Pick<ImageStore, "versions" | "readSummary" | "readManifest">;
  readonly #known = new Map<string, Promise<ImageDetail>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: Pick<ImageStore, "versions" | "readSummary" | "readManifest">) {
    this.#store = store;
  }

  /** @throws {Fault} IMAGE_MISSING, and those of a manifest that cannot be read */
  async of(name: string, version: number): Promise<ImageDetail> {
    const versions = await this.#store.versions(name);
    // Says what there is instead.
    if (!versions.includes(version)) await this.#store.readManifest(name, version);
    const before = versions.filter((one) => one < version).at(-1);
    const made = await Promise.all(
      [version, ...(before === undefined ? [] : [before])].map((one) => this.#store.readSummary(name, one)),
    );
    const key = JSON.stringify([name, version, before ?? 0, ...made.map(({ tag }) => tag.createdAtMs)]);
    let known = this.#known.get(key);
    if (known === undefined) {
      known = this.#last.then(() => this.#read(name, version, before));
      this.#last = known.catch(() => undefined);
      this.#known.set(key, known);
      known.catch(() => this.#known.delete(key));
      if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    }
    return known;
  }

  async #read(name: string, version: number, before: number | undefined): Promise<ImageDetail> {
    const { bytes, manifest } = await this.#store.readManifest(name, version);
    const manifestDigest = createHash("sha256").update(bytes).digest("hex");
    if (before === undefined) return { manifestDigest, before: null };
    const old = (await this.#store.readManifest(name, before)).manifest;
    const had = new Set(old.packs.map(({ digest }) => digest));
    const fresh = manifest.packs.filter(({ digest }) => !had.has(digest));
    return {
      manifestDigest,
      before: { version: before, newBytes: fresh.reduce((sum, { storedBytes }) => sum + storedBytes, 0) },
    };
  }
}
