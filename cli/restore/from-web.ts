import { PackWriter } from "../../agent/stream/pack-writer.ts";
import { CELL_BYTES } from "../../images/cell.ts";
import type { ForeignRange } from "../../images/foreign-image.ts";
import { KnownCells } from "../../images/known-cells.ts";
import { cellsOfRanges, type DiskLayout, readDiskLayout } from "../../images/partition-table.ts";
import { scan } from "../../images/scan.ts";
import { keyFingerprint } from "../../images/signature.ts";
import { CopyingSource } from "../../server/images/copying-source.ts";
import { ImageThreads } from "../../server/images/image-threads.ts";
import { trustedKeys } from "../image/trust.ts";
import { openWebImage, type WebImage } from "../image/web-image.ts";
import { say } from "../terminal/output.ts";
import { restorePacks } from "./from-local.ts";
import { type Job, noteErase, type Restored, verifyAndSettle } from "./job.ts";
import { askToErase } from "./question.ts";
import { manifestMissing, refuseSource } from "./refusals.ts";
import { type CheckedTarget, checkTarget, type ImageNeed } from "./target.ts";

/** Restores a disk image from a web server. What has no signed manifest comes over the network once: it is written as it is read. */
export async function restoreWeb(job: Job, url: URL): Promise<Restored> {
  const { flags, output, log, signal } = job;
  const checked = await output.step("Validating target", "validate", async () => {
    await refuseSource(flags.source, flags.target, flags.dataDir);
    return checkTarget(flags.target, log);
  });
  const web = await output.step("Validating source", "validate", () =>
    openWebImage(url, trustedKeys(flags.trust, flags.dataDir), {
      mustBeSigned: flags.trust !== undefined,
      passphrase: flags,
      timeoutMs: flags.timeout,
      signal,
      onWait: (why) => output.waits(why),
    }),
  );
  try {
    if (web.signed === undefined) return await restorePlain(job, web, checked);
    const { manifest, packs, signer } = web.signed;
    await restorePacks(job, checked, manifest, packs);
    return { manifest, signedBy: keyFingerprint(signer) };
  } finally {
    await web.close();
  }
}

async function restorePlain(job: Job, { image, tag, verifyCopy }: WebImage, checked: CheckedTarget): Promise<Restored> {
  const { flags, output, signal } = job;
  if (flags.delta === true) throw manifestMissing(flags.source);
  const layout = await readDiskLayout(image.source, image.sectorBytes);
  const diskBytes = image.source.sizeBytes;
  const need = { diskBytes, dataBytes: mostDataBytes(image.ranges?.(), diskBytes), ...sectorsOf(layout) };
  const target = await checked.fit(need);
  if (verifyCopy === undefined)
    say("The file carries no checksums, and there is no manifest or .sha256 beside it: what comes is taken as right.");
  try {
    await askToErase(flags, output, checked.title, job.ask);
    const { isZeroed } = await output.step(`Erasing target device ${flags.target}`, "erase", () =>
      target.erase(() => noteErase(job)),
    );
    await output.step("Validating sizes", "validate", () => checked.fit(need));
    const copying = new CopyingSource(image.source, target.blocks, cellsOfRanges(layout.tableRanges));
    const ranges = image.ranges?.();
    const threads = new ImageThreads();
    const manifest = await scan(copying, {
      tag,
      layout,
      codec: "stored",
      work: threads,
      ...(ranges && { known: new KnownCells(ranges, diskBytes, { keepsUnused: true }) }),
      onPack: async () => undefined,
      onProgress: (progress) => output.progress("restore", progress.doneBytes / progress.totalBytes),
      signal,
    }).finally(() => threads.close());
    if (!isZeroed) await new PackWriter(manifest, target.blocks).writeZeros(signal);
    output.complete("restore");
    if (verifyCopy !== undefined && flags.noverify !== true) {
      await target.blocks.flush();
      await output.step("Comparing with the file's checksums", "validate", () => verifyCopy(copying.copy()));
    }
    signal.throwIfAborted();
    await copying.finish();
    job.progress.target = "written";
    await verifyAndSettle(job, manifest, target);
    return { manifest, signedBy: undefined };
  } finally {
    await target.close();
  }
}

function sectorsOf({ scheme, sectorBytes }: DiskLayout): Pick<ImageNeed, "sectorBytes"> {
  return scheme === "none" ? {} : { sectorBytes };
}

/** As much as the image can hold, by what is known without reading it. */
function mostDataBytes(ranges: Iterable<ForeignRange> | undefined, diskBytes: number): number {
  if (ranges === undefined) return diskBytes;
  let bytes = 0;
  for (const { startBytes, endBytes, state } of ranges)
    if (state === "data") bytes += endBytes - startBytes + CELL_BYTES;
  return Math.min(bytes, diskBytes);
}
