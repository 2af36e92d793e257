import { Command } from "commander";
import { formatDuration, formatSize } from "../../agent/disk/sizes.ts";
import { KnownCells } from "../../images/known-cells.ts";
import { dataBytes } from "../../images/manifest.ts";
import { encodeManifest } from "../../images/manifest-codec.ts";
import { readDiskLayout } from "../../images/partition-table.ts";
import { scan } from "../../images/scan.ts";
import { findUnusedCells } from "../../images/unused-cells.ts";
import { ImageThreads } from "../../server/images/image-threads.ts";
import { changed, lookAtFile, scanIndexPath, writeScanIndex } from "../../server/images/scan-index-file.ts";
import { loadSiteKey } from "../../server/store/keys.ts";
import { hereOptions } from "../settings/configuration.ts";
import { configOf } from "../settings/read-configuration.ts";
import { interruption } from "../terminal/interruption.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { progressLine } from "../terminal/progress.ts";
import { openImageFile } from "./file.ts";
import { tagOfFile } from "./file-tag.ts";
import { type FreeSpaceFlags, freeSpaceOf, freeSpaceOptions } from "./free-space-flags.ts";
import { type PassphraseFlags, passphraseOptions } from "./passphrase.ts";

type ScanFlags = PassphraseFlags & FreeSpaceFlags & { readonly index?: string; readonly notes: string };

/** `bootcast image scan`: what `asr imagescan` did, without a change to the file. */
export function imageScanCommand(): Command {
  const command = new Command("scan")
    .description(
      "Scans a disk image that stays where it is, and writes its index beside it. " +
        '"bootcast stream --source FILE" and "bootcast restore --source FILE" then begin at once, and send only what is used.',
    )
    .argument("<file>", "disk image of any format; it is not changed, and nothing of it is copied")
    .option("--index <file>", "where the index goes; it is looked for in FILE.bootcast-scan")
    .option("--notes <text>", "what people should know about the image", "");
  examples(command, [
    "bootcast image scan tiger.dmg",
    "bootcast image scan golden.raw --skip-page-files",
    "bootcast stream --source golden.raw      # uses golden.raw.bootcast-scan",
  ]);
  return globalOptions(hereOptions(passphraseOptions(freeSpaceOptions(command)))).action(
    async (path: string, given: ScanFlags) => {
      const { signal } = interruption("The scan was interrupted; no index was made.");
      const image = await openImageFile(path, given, { signal });
      try {
        const before = await lookAtFile(path, image.format);
        const start = performance.now();
        const layout = await readDiskLayout(image.source, image.sectorBytes);
        const options = freeSpaceOf(given, path, image, signal);
        const unused = given.keepFreeBlocks ? undefined : await findUnusedCells(image.source, layout, options);
        const ranges = image.ranges?.();
        const progress = progressLine("scanning");
        const threads = new ImageThreads();
        const manifest = await scan(image.source, {
          tag: tagOfFile(path, given.notes),
          codec: "stored",
          layout,
          work: threads,
          ...(ranges && {
            known: new KnownCells(ranges, image.source.sizeBytes, { keepsUnused: given.keepFreeBlocks }),
          }),
          ...(unused && { isUnused: unused.isUnused }),
          // The packs are made again from the file when they are asked for.
          onPack: async () => undefined,
          onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
          signal,
        }).finally(async () => {
          progress.end();
          await threads.close();
        });
        const indexPath = given.index ?? scanIndexPath(path);
        const after = await lookAtFile(path, image.format);
        if (after.modifiedNs !== before.modifiedNs || after.sizeBytes !== before.sizeBytes)
          throw changed(path, "the scan");
        const { privateKey } = await loadSiteKey(configOf(command).dataDir);
        await writeScanIndex(indexPath, after, encodeManifest(manifest, privateKey));
        const warnings = [...layout.warnings, ...(unused?.warnings ?? [])];
        for (const warning of warnings) say(`warning: ${warning}`);
        const elapsedMs = Math.round(performance.now() - start);
        const { diskBytes } = manifest;
        const result = {
          file: path,
          index: indexPath,
          format: image.format,
          diskBytes,
          dataBytes: dataBytes(manifest),
        };
        printResult(
          { ...result, elapsedMs, volumes: unused?.volumes ?? [], warnings },
          () =>
            `${indexPath}: ${formatSize(result.dataBytes)} of ${formatSize(diskBytes)} is data (${image.format}), ${formatDuration(elapsedMs)}`,
        );
      } finally {
        await image.close();
      }
    },
  );
}
