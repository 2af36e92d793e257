import { Command } from "commander";
import { formatSize } from "../../agent/disk/sizes.ts";
import { exportImage } from "../../server/store/image-export.ts";
import { hereOptions, storeKeyOption } from "../settings/configuration.ts";
import { interruption } from "../terminal/interruption.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";
import { progressLine } from "../terminal/progress.ts";
import { imageReference } from "./reference.ts";
import { readImageStore } from "./store.ts";
import { type WriteFlags, writeOptions, writtenResult } from "./written-image.ts";

/** `bootcast image export`: writes an image of the store to a file. */
export function imageExportCommand(): Command {
  const command = new Command("export")
    .description("Writes an image of the store as a file that other programs read.")
    .argument("<image>", "name, or name:version")
    .argument("<file>", "the file to write");
  examples(command, [
    "bootcast image export lab-debian lab-debian.raw",
    "bootcast image export lab-debian:2 old.dmg --format udzo",
    "bootcast image export kiosk kiosk.raw --format sparse   # then: bmaptool copy kiosk.raw /dev/sdX",
  ]);
  return globalOptions(hereOptions(storeKeyOption(writeOptions(command)))).action(
    async (image: string, path: string, { format, force = false }: WriteFlags) => {
      const { store } = await readImageStore(command, "packs");
      const { name, version } = imageReference(image);
      const { manifest } = await store.readManifest(name, version);
      const progress = progressLine("exporting");
      const start = performance.now();
      await exportImage(store, manifest, path, {
        format,
        isForced: force,
        onProgress: (doneBytes, totalBytes) => progress.update(doneBytes, totalBytes),
        signal: interruption("The export was interrupted; no file was made.").signal,
      }).finally(() => progress.end());
      const { tag, diskBytes } = manifest;
      const result = await writtenResult(path, format, diskBytes, performance.now() - start);
      printResult(
        { name: tag.name, version: tag.version, ...result },
        ({ fileBytes }) =>
          `${tag.name}:${tag.version} is in ${path} (${format}, ${formatSize(fileBytes)} for ${formatSize(diskBytes)})`,
      );
    },
  );
}
