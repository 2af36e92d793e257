import { Fault } from "../fault.ts";
import type { Manifest } from "../images/manifest.ts";
import { decodePack } from "../images/pack.ts";
import type { ImageStore } from "./store.ts";

export type CheckProgress = { readonly doneBytes: number; readonly totalBytes: number };

/** One pack that cannot be used, and why. */
export type BadPack = { readonly pack: number; readonly digest: string; readonly fault: Fault };

/**
 * Reads every pack of an image and checks every cell against the signed
 * manifest. (`readManifest` has checked the signature and the root before.)
 *
 * @returns the packs that are missing or damaged; none when all is well
 */
export async function checkImage(
  store: ImageStore,
  manifest: Manifest,
  options: { readonly onProgress?: (progress: CheckProgress) => void; readonly signal?: AbortSignal } = {},
): Promise<BadPack[]> {
  const totalBytes = manifest.packs.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const bad: BadPack[] = [];
  let doneBytes = 0;
  for (const [number, pack] of manifest.packs.entries()) {
    options.signal?.throwIfAborted();
    try {
      decodePack(await store.readPack(pack.digest), pack);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      bad.push({ pack: number, digest: pack.digest, fault: error });
    }
    doneBytes += pack.storedBytes;
    options.onProgress?.({ doneBytes, totalBytes });
  }
  return bad;
}
