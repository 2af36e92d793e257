import { Command } from "commander";
import { formatSize } from "../agent/sizes.ts";
import type { DamagedImage, ImageSummary } from "../server/store.ts";
import { configOptions } from "./configuration.ts";
import { imageExportCommand } from "./image-export.ts";
import { imageImportCommand } from "./image-import.ts";
import { imageInfoCommand } from "./image-info.ts";
import { imageStoreForList } from "./image-store.ts";
import { imageVerifyCommand } from "./image-verify.ts";
import { examples, globalOptions, printResult, say } from "./output.ts";

/** `bootcast image …`: works on the store in the data directory, with or without a running server. */
export function imageCommand(): Command {
  const command = new Command("image").description("Makes, lists, checks and exports disk images.");
  examples(command, [
    "bootcast image import golden.raw --name lab-debian",
    "bootcast image list",
    "bootcast image info lab-debian",
    "bootcast image verify lab-debian",
    "bootcast image export lab-debian copy.raw",
  ]);
  return command
    .addCommand(imageImportCommand())
    .addCommand(imageListCommand())
    .addCommand(imageInfoCommand())
    .addCommand(imageVerifyCommand())
    .addCommand(imageExportCommand());
}

function imageListCommand(): Command {
  const command = new Command("list").description("Lists the images of the store, all versions.");
  examples(command, ["bootcast image list", "bootcast image list --json"]);
  return globalOptions(configOptions(command)).action(async () => {
    const store = imageStoreForList(command);
    const damaged: DamagedImage[] = [];
    const images = await store.listImages((image) => damaged.push(image));
    for (const { name, version, fault } of damaged) say(`warning: ${name}:${version} is damaged: ${fault.what}`);
    const rows = images.map(({ tag, diskBytes, scheme, storedBytes, packs }) => ({
      ...tag,
      diskBytes,
      scheme,
      storedBytes,
      packs,
    }));
    printResult({ images: rows, damaged }, () => listText(images, damaged.length));
  });
}

function listText(images: readonly ImageSummary[], damagedCount: number): string {
  if (images.length === 0 && damagedCount > 0) return "No image can be read.";
  if (images.length === 0) return 'No images yet. Make one: "bootcast image import FILE --name NAME"';
  const rows = images.map(({ tag, diskBytes, storedBytes }) => [
    `${tag.name}:${tag.version}`,
    formatSize(diskBytes),
    formatSize(storedBytes),
    new Date(tag.createdAtMs).toISOString().slice(0, 10),
    tag.notes,
  ]);
  const table = [["IMAGE", "DISK", "STORED", "MADE", "NOTES"], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
