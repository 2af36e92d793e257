import { PackWriter } from "../agent/stream/pack-writer.ts";
import { keyFingerprint } from "../images/signature.ts";
import { unpackPacks } from "../server/images/unpack-packs.ts";
import { type Job, noteErase, type Restored, verifyAndSettle } from "./restore-job.ts";
import { askToErase } from "./restore-question.ts";
import { refuseSource } from "./restore-refusals.ts";
import { checkTarget } from "./restore-target.ts";
import { openImageSource } from "./stream-source.ts";

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
    const { manifest, packs } = source;
    const target = await checked.fit(manifest);
    try {
      await askToErase(flags, output, checked.title);
      const { isZeroed } = await output.step(`Erasing target device ${flags.target}`, "erase", () =>
        target.erase(() => noteErase(job)),
      );
      await output.step("Validating sizes", "validate", () => checked.fit(manifest));
      const writer = new PackWriter(manifest, target.blocks);
      if (!isZeroed) await writer.writeZeros(signal);
      await unpackPacks(packs, manifest, (number, cells) => writer.write(number, cells), {
        onProgress: (done, total) => output.progress("restore", done / total),
        signal,
      });
      await writer.finish();
      output.complete("restore");
      job.progress.target = "written";
      await verifyAndSettle(job, manifest, target);
    } finally {
      await target.close();
    }
    return { manifest, signedBy: keyFingerprint(source.signer) };
  } finally {
    await source.close();
  }
}
