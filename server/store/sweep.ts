import { stat } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import { CellIdTable } from "../../images/cell-id-table.ts";
import { decodePackTable } from "../../images/manifest-codec.ts";
import { isMissing } from "./files.ts";
import { guardStore } from "./guard.ts";
import type { ImageStore } from "./store.ts";

export type SweepResult = {
  readonly removedPacks: number;
  readonly freedBytes: number;
  /** Packs that no image names and that are too young to go. */
  readonly keptPacks: number;
  readonly keptBytes: number;
};

/**
 * Packs of an import or a capture that has not published yet are named by no image. Each time one of these writes a
 * pack or finds it there, the pack counts as used just now; what was not used for so long has nobody who waits for it.
 */
export const SWEEP_AFTER_MS = 24 * 3_600_000;

/**
 * Removes the packs that no image names and that nobody used for a day.
 *
 * It can be interrupted anywhere and called again: first it learns what all
 * manifests name, then it goes from folder to folder, each under the store's lock, and looks again which images came
 * meanwhile. An import that lost a pack all the same is told so when it publishes (PACKS_GONE).
 *
 * @throws {Fault} STORE_UNSURE when a manifest cannot be read (then nothing is removed), STORE_BUSY
 */
export async function sweepStore(
  store: ImageStore,
  options: {
    readonly now: number;
    readonly afterMs?: number;
    readonly signal?: AbortSignal;
    readonly onProgress?: (doneFolders: number, totalFolders: number) => void;
  },
): Promise<SweepResult> {
  const oldestMs = options.now - (options.afterMs ?? SWEEP_AFTER_MS);
  const named = new NamedPacks(store);
  const counts = { removedPacks: 0, freedBytes: 0, keptPacks: 0, keptBytes: 0 };
  await named.learn();
  const folders = await store.packFolders();
  for (const [number, folder] of folders.entries()) {
    using _ = await guardStore(store.directory);
    await named.learn();
    for (const digest of await store.packsIn(folder)) {
      options.signal?.throwIfAborted();
      if (named.has(digest)) continue;
      const path = store.packPath(digest);
      const { size, mtimeMs } = await stat(path);
      if (mtimeMs > oldestMs) {
        counts.keptPacks += 1;
        counts.keptBytes += size;
        continue;
      }
      await store.disk.unlink(path);
      counts.removedPacks += 1;
      counts.freedBytes += size;
    }
    options.onProgress?.(number + 1, folders.length);
  }
  return counts;
}

/** The packs of all manifests, 44 bytes each. */
class NamedPacks {
  readonly #store: ImageStore;
  readonly #digests = new CellIdTable();
  readonly #read = new Set<string>();

  constructor(store: ImageStore) {
    this.#store = store;
  }

  has(digest: string): boolean {
    return this.#digests.find(Buffer.from(digest, "hex")) !== undefined;
  }

  /** Reads the manifests that came since the last time. */
  async learn(): Promise<void> {
    for (const name of await this.#store.names()) {
      for (const version of await this.#store.versions(name)) {
        const image = `${name}:${version}`;
        if (this.#read.has(image)) continue;
        try {
          for (const { digest } of decodePackTable(await this.#store.readManifestFile(name, version)).entries) {
            const id = Buffer.from(digest, "hex");
            if (this.#digests.find(id) === undefined) this.#digests.add(id);
          }
        } catch (error) {
          // It was removed in between.
          if (isMissing(error)) continue;
          throw unsure(image, error);
        }
        this.#read.add(image);
      }
    }
  }
}

function unsure(image: string, cause: unknown): Fault {
  return new Fault(
    "STORE_UNSURE",
    {
      what: "No packs were removed.",
      why: `The manifest of ${image} cannot be read (${cause instanceof Fault ? cause.what : String(cause)}), so nobody knows which packs it needs.`,
      fix: `Put it back ("bootcast image verify --from OTHER-STORE"), or remove it: "bootcast image remove ${image}".`,
    },
    cause,
  );
}
