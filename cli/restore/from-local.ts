import { PackWriter } from "../../agent/stream/pack-writer.ts";
import type { Manifest } from "../../images/manifest.ts";
import type { PackReader } from "../../images/pack-reader.ts";
import { keyFingerprint } from "../../images/signature.ts";
import { unpackPacks } from "../../server/images/unpack-packs.ts";
import { openImageSource } from "../stream/source.ts";
import { beginTarget, heldBy, type Job, type Restored, verifyAndSettle } from "./job.ts";
import { askToErase } from "./question.ts";
import { refuseSource } from "./refusals.ts";
import { type CheckedTarget, checkTarget, needOf } from "./target.ts";

/** Restores an image of the store, or a disk image file. */
export async function restoreLocal(job: Job): Promise<Restored> {
  const { flags, output, log, signal } = job;
  const { dataDir, storeKey } = flags;
  const checked = await output.step("Validating target", "validate", async () => {
    await refuseSource(flags.source, flags.target, dataDir);
    return checkTarget(flags.target, log);
  });
  const source = await output.step("Validating source", "validate", () =>
    openImageSource(flags.source, { dataDir, storeKey, onScan: () => undefined, passphrase: flags, signal }),
  );
  try {
    await restorePacks(job, checked, source.manifest, source.packs);
    return { manifest: source.manifest, signedBy: keyFingerprint(source.signer) };
  } finally {
    await source.close();
  }
}

/** From the question to the target that was read back: packs that can be read in any order, each checked before it is written. */
export async function restorePacks(
  job: Job,
  checked: CheckedTarget,
  manifest: Manifest,
  packs: PackReader,
): Promise<void> {
  const { flags, output, signal } = job;
  const need = needOf(manifest);
  const target = await checked.fit(need);
  try {
    await askToErase(flags, output, checked.title, job.ask);
    const held = await heldBy(job, manifest, target);
    const { isZeroed } = await beginTarget(job, target, held);
    await output.step("Validating sizes", "validate", () => checked.fit(need));
    const writer = new PackWriter(manifest, target.blocks, held);
    if (!isZeroed) await writer.writeZeros(signal);
    await unpackPacks(packs, manifest, (number, cells) => writer.write(number, cells), {
      onProgress: (done, total) => output.progress("restore", done / total),
      signal,
      ...(held && { isNeeded: (number) => !held.holdsPack(number) }),
    });
    await writer.finish();
    output.complete("restore");
    job.progress.target = "written";
    await verifyAndSettle(job, manifest, target);
  } finally {
    await target.close();
  }
}
