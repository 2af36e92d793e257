import { ID_BYTES } from "../../images/manifest.ts";
import { decodeOutline } from "../../images/manifest-codec.ts";
import { readVerified } from "../store/labels.ts";
import type { ImageStore } from "../store/store.ts";
import type { Finding } from "./finding.ts";

const DAY_MS = 86_400_000;
const MOST_NAMED = 10;

/**
 * Whether every pack that an image names is in the store, what the last check of its content said, and whether that is
 * long ago.
 *
 * @param about.verifyDays so long an image may be unverified, from its making on; 0: for ever
 */
export async function lookAtImages(
  store: ImageStore,
  about: { readonly nowMs: number; readonly verifyDays: number },
  signal: AbortSignal,
): Promise<Finding[]> {
  const folders = new Map<string, ReadonlySet<string>>();
  const packsIn = async (folder: string) => {
    let packs = folders.get(folder);
    if (packs === undefined) {
      packs = new Set(await store.packsIn(folder));
      folders.set(folder, packs);
    }
    return packs;
  };
  const findings: Finding[] = [];
  const stale: string[] = [];
  const staleBeforeMs = about.verifyDays === 0 ? Number.NEGATIVE_INFINITY : about.nowMs - about.verifyDays * DAY_MS;
  let sound = 0;
  for (const name of (await store.names()).sort()) {
    for (const version of await store.versions(name)) {
      if (signal.aborted) return findings;
      const probe = `image ${name}:${version}`;
      const fix = `bootcast image verify ${name}:${version} --from COPY, or import it again`;
      try {
        const { tag, packs } = decodeOutline(await store.readManifestFile(name, version));
        const { digests } = packs;
        let missing = 0;
        for (let at = 0; at < digests.length; at += ID_BYTES) {
          const digest = Buffer.from(digests.subarray(at, at + ID_BYTES)).toString("hex");
          if (!(await packsIn(digest.slice(0, 2))).has(digest)) missing += 1;
        }
        const verified = await readVerified(store, { name, version });
        const total = digests.length / ID_BYTES;
        if (missing > 0)
          findings.push({ probe, status: "fail", detail: `${missing} of its ${total} packs are gone.`, fix });
        else if (verified !== undefined && verified.badPacks > 0) {
          findings.push({ probe, status: "fail", detail: `${verified.badPacks} of its packs are damaged.`, fix });
        } else {
          sound += 1;
          if (Math.max(verified?.atMs ?? 0, tag.createdAtMs) < staleBeforeMs) stale.push(`${name}:${version}`);
        }
      } catch (error) {
        // It may have been removed in between.
        if (!(await store.versions(name)).includes(version)) continue;
        findings.push({
          probe,
          status: "fail",
          detail: `Its manifest cannot be read: ${(error as Error).message}`,
          fix,
        });
      }
    }
  }
  if (stale.length > 0) findings.push(staleFinding(stale, about.verifyDays));
  if (findings.length > 0) return findings;
  const detail =
    sound === 0 ? "There is no image yet." : `All packs of ${sound} ${sound === 1 ? "image" : "images"} are there.`;
  return [{ probe: "images", status: sound === 0 ? "skip" : "ok", detail }];
}

/** A disk that goes bad says nothing by itself: it is noticed in the evening when the image is needed. */
function staleFinding(images: readonly string[], days: number): Finding {
  const more = images.length > MOST_NAMED ? ` and ${images.length - MOST_NAMED} more` : "";
  const names = images.slice(0, MOST_NAMED).join(", ") + more;
  return {
    probe: "verified",
    status: "warn",
    detail: `Nobody has read these images through for ${days} days, so nobody knows whether the disk still has them: ${names}.`,
    fix: `bootcast image verify${images.length === 1 ? ` ${images[0]}` : ""}   (images.verify_days says after how long)`,
  };
}
