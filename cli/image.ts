import { Command } from "commander";
import { imageCatCommand } from "./image-cat.ts";
import { imageConvertCommand } from "./image-convert.ts";
import { imageCreateCommand } from "./image-create.ts";
import { imageDiffCommand } from "./image-diff.ts";
import { imageExportCommand } from "./image-export.ts";
import { imageImportCommand } from "./image-import.ts";
import { imageInfoCommand } from "./image-info.ts";
import { imageKeysCommand } from "./image-keys.ts";
import { imageListCommand } from "./image-list.ts";
import { imageMountCommand } from "./image-mount.ts";
import { imageRemoveCommand, imageSweepCommand } from "./image-remove.ts";
import { imageScanCommand } from "./image-scan.ts";
import { imageTagCommand } from "./image-tag.ts";
import { imageVerifyCommand } from "./image-verify.ts";
import { examples } from "./output.ts";

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
    .addCommand(imageScanCommand())
    .addCommand(imageCreateCommand())
    .addCommand(imageListCommand())
    .addCommand(imageInfoCommand())
    .addCommand(imageVerifyCommand())
    .addCommand(imageDiffCommand())
    .addCommand(imageTagCommand())
    .addCommand(imageRemoveCommand())
    .addCommand(imageSweepCommand())
    .addCommand(imageExportCommand())
    .addCommand(imageConvertCommand())
    .addCommand(imageMountCommand())
    .addCommand(imageCatCommand())
    .addCommand(imageKeysCommand());
}
