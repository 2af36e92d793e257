import type { Fault } from "../fault.ts";
import type { Manifest, PackEntry } from "../images/manifest.ts";
import { decodePack } from "../images/pack.ts";
import type { ImageStore } from "./store.ts";
import { unreadablePack } from "./store-faults.ts";
import { isPackFault } from "./store-packs.ts";

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
  let doneBytes = 0;
  for (const [number, pack] of manifest.packs.entries()) {
    options.signal?.throwIfAborted();
    if (options.isChecked?.(pack) !== true) {
      const fault = await faultOf(store, pack);
      if (fault !== undefined) bad.push({ pack: number, digest: pack.digest, fault });
    }
    doneBytes += pack.storedBytes;
    options.onProgress?.({ doneBytes, totalBytes });
  }
  return bad;
}

/** Why a pack of the store cannot be used; undefined when it can. A disk that cannot be read is such a reason, too. */
async function faultOf(store: ImageStore, pack: PackEntry): Promise<Fault | undefined> {
  try {
    decodePack(await store.readPack(pack.digest), pack);
    return undefined;
  } catch (error) {
    if (isPackFault(error)) return error;
    if ((error as NodeJS.ErrnoException).code !== "EIO") throw error;
    return unreadablePack(pack.digest, error);
  }
}
