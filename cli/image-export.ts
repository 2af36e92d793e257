import { Command, Option } from "commander";
import { formatSize } from "../agent/sizes.ts";
import { exportRaw } from "../server/image-export.ts";
import { configOptions } from "./configuration.ts";
import { imageReference } from "./image-reference.ts";
import { readImageStore } from "./image-store.ts";
import { interruption } from "./interruption.ts";
import { examples, globalOptions, printResult } from "./output.ts";
import { progressLine } from "./progress.ts";

/** `bootcast image export`: writes an image of the store to a file. */
export function imageExportCommand(): Command {
  const command = new Command("export")
    .description("Writes an image as a file that other tools can read. It never replaces a file.")
    .argument("<image>", "name, or name:version")
    .argument("<file>", "the file to write")
    .addOption(new Option("--format <format>", "raw: a raw disk image with holes").choices(["raw"]).default("raw"));
  examples(command, [
    "bootcast image export lab-debian lab-debian.raw",
    "bootcast image export lab-debian:2 old.raw --format raw",
  ]);
  return globalOptions(configOptions(command)).action(async (image: string, path: string) => {
    const { store } = await readImageStore(command);
    const { name, version } = imageReference(image);
    const { manifest } = await store.readManifest(name, version);
    const progress = progressLine("exporting");
    await exportRaw(store, manifest, path, {
      onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
      signal: interruption("The export was interrupted; no file was made.").signal,
    }).finally(() => progress.end());
    const { tag, diskBytes } = manifest;
    printResult(
      { name: tag.name, version: tag.version, file: path, format: "raw", diskBytes },
      () => `${tag.name}:${tag.version} is in ${path} (${formatSize(diskBytes)}, with holes)`,
    );
  });
}
