import type { Fault } from "../../fault.ts";
import type { Manifest, PackEntry } from "../../images/manifest.ts";
import { ImageThreads } from "../images/image-threads.ts";
import { unreadablePack } from "./faults.ts";
import { isPackFault } from "./packs.ts";
import type { ImageStore } from "./store.ts";

export type CheckProgress = { readonly doneBytes: number; readonly totalBytes: number };

/** One pack that cannot be used, and why. */
export type BadPack = { readonly pack: number; readonly digest: string; readonly fault: Fault };

/**
 * Reads every pack of an image and checks every cell against the signed
 * manifest. (`readManifest` has checked the signature and the root before.)
 *
 * @param options.isChecked packs that need not be looked at
 * @returns the packs that are missing or damaged; none when all is well
 * @throws {Fault} STORE_KEY_MISSING, STORE_KEY_WRONG: what cannot be read is not damaged
 */
export async function checkImage(
  store: ImageStore,
  manifest: Manifest,
  options: {
    readonly isChecked?: (pack: PackEntry) => boolean;
    readonly onProgress?: (progress: CheckProgress) => void;
    readonly signal?: AbortSignal;
  } = {},
): Promise<BadPack[]> {
  const totalBytes = manifest.packs.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const bad: BadPack[] = [];
  const threads = new ImageThreads();
  const packs = manifest.packs.entries();
  let doneBytes = 0;
  let isOver = false;
  // One reads while the others compute.
  const lanes = Array.from({ length: threads.lanes + 1 }, async () => {
    try {
      for (const [number, pack] of packs) {
        if (isOver) return;
        options.signal?.throwIfAborted();
        if (options.isChecked?.(pack) !== true) {
          const fault = await faultOf(store, pack, threads);
          if (fault !== undefined) bad.push({ pack: number, digest: pack.digest, fault });
        }
        doneBytes += pack.storedBytes;
        options.onProgress?.({ doneBytes, totalBytes });
      }
    } finally {
      isOver = true;
    }
  });
  try {
    await Promise.all(lanes);
  } finally {
    await Promise.allSettled(lanes);
    await threads.close();
  }
  return bad.sort((a, b) => a.pack - b.pack);
}

/** Why a pack of the store cannot be used; undefined when it can. A disk that cannot be read is such a reason, too. */
async function faultOf(store: ImageStore, pack: PackEntry, threads: ImageThreads): Promise<Fault | undefined> {
  try {
    (await threads.unpack(await store.readPack(pack.digest), pack)).free?.();
    return undefined;
  } catch (error) {
    if (isPackFault(error)) return error;
    if ((error as NodeJS.ErrnoException).code !== "EIO") throw error;
    return unreadablePack(pack.digest, error);
  }
}
