import { Command } from "commander";
import { formatDuration, formatSize } from "../../agent/disk/sizes.ts";
import { importImage } from "../../server/store/image-import.ts";
import { configOptions, storeKeyOption } from "../settings/configuration.ts";
import { interruption } from "../terminal/interruption.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { progressLine } from "../terminal/progress.ts";
import { fileSourceOf, openImageFile } from "./file.ts";
import { type FreeSpaceFlags, freeSpaceOf, freeSpaceOptions } from "./free-space-flags.ts";
import { type PassphraseFlags, passphraseOptions } from "./passphrase.ts";
import { openImageStore } from "./store.ts";

type ImportFlags = PassphraseFlags & FreeSpaceFlags & { readonly name: string; readonly notes: string };

/** `bootcast image import`: puts a disk image into the store. */
export function imageImportCommand(): Command {
  const command = new Command("import")
    .description(
      "Copies a disk image or a disk into the store. The same name again makes the next version.\n\n" +
        '"bootcast image info --help" lists the formats.',
    )
    .argument("<file>", "disk image, or a device such as /dev/sdb that is not mounted")
    .requiredOption("--name <name>", "name of the image")
    .option("--notes <text>", "what people should know about this version", "");
  examples(command, [
    "bootcast image import golden.raw --name lab-debian",
    'bootcast image import golden.raw --name lab-debian --notes "with the new compiler"   # the next version',
    "sudo bootcast image import /dev/sdb --name kiosk",
    "bootcast image import windows.vhdx --name office --skip-page-files",
    "bootcast image import tiger.dmg --name tiger --passphrase-file passphrase.txt",
  ]);
  return globalOptions(configOptions(storeKeyOption(passphraseOptions(freeSpaceOptions(command))))).action(
    async (path: string, given: ImportFlags) => {
      const { store, siteKey } = await openImageStore(command, "packs");
      const { signal } = interruption("The import was interrupted; no image was made.");
      const image = await openImageFile(path, given, { signal });
      const progress = progressLine("importing");
      const start = performance.now();
      try {
        const { manifest, writtenBytes, volumes, warnings } = await importImage({
          store,
          siteKey,
          source: fileSourceOf(image),
          ranges: image.ranges?.(),
          ...given,
          freeSpace: freeSpaceOf(given, path, image, signal),
          now: Date.now(),
          onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
          signal,
        }).finally(() => progress.end());
        for (const warning of warnings) say(`warning: ${warning}`);
        const { tag, diskBytes } = manifest;
        const elapsedMs = Math.round(performance.now() - start);
        const result = { name: tag.name, version: tag.version, diskBytes, packs: manifest.packs.length, writtenBytes };
        printResult({ ...result, elapsedMs, volumes, warnings }, () => {
          const rate = formatSize(Math.round((diskBytes / elapsedMs) * 1000));
          const stored = `${formatSize(diskBytes)}, ${formatSize(writtenBytes)} new in the store`;
          return `${tag.name}:${tag.version}  ${stored}, ${formatDuration(elapsedMs)} (${rate}/s)`;
        });
      } finally {
        await image.close();
      }
    },
  );
}
