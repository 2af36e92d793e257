import { ID_BYTES } from "../../images/manifest.ts";
import { decodeOutline } from "../../images/manifest-codec.ts";
import { readVerified } from "../store/labels.ts";
import type { ImageStore } from "../store/store.ts";
import type { Finding } from "./finding.ts";

/** Whether every pack that an image names is in the store, and what the last check of its content said. */
export async function lookAtImages(store: ImageStore, signal: AbortSignal): Promise<Finding[]> {
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
  let sound = 0;
  for (const name of (await store.names()).sort()) {
    for (const version of await store.versions(name)) {
      if (signal.aborted) return findings;
      const probe = `image ${name}:${version}`;
      const fix = `bootcast image verify ${name}:${version} --from COPY, or import it again`;
      try {
        const { digests } = decodeOutline(await store.readManifestFile(name, version)).packs;
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
        } else sound += 1;
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
  if (findings.length > 0) return findings;
  const detail =
    sound === 0 ? "There is no image yet." : `All packs of ${sound} ${sound === 1 ? "image" : "images"} are there.`;
  return [{ probe: "images", status: sound === 0 ? "skip" : "ok", detail }];
}
