import { type Command, Option } from "commander";
import type { UnusedCellsOptions } from "../../images/unused-cells.ts";
import type { DiskImage } from "../../server/images/open-image.ts";
import { partcloneMaps } from "../../server/images/partclone-map.ts";

/** What a person says of the free space of the disk that becomes an image. */
export type FreeSpaceFlags = {
  readonly keepFreeBlocks?: boolean;
  readonly dirty: "refuse" | "keep";
  readonly skipPageFiles?: boolean;
};

/** Adds `--keep-free-blocks`, `--dirty` and `--skip-page-files`. */
export function freeSpaceOptions(command: Command): Command {
  return command
    .option("--keep-free-blocks", "keep also what lies in free blocks of a file system: deleted files")
    .addOption(
      new Option(
        "--dirty <what>",
        "a file system that was not unmounted, or is damaged: refuse the disk, or keep all of it",
      )
        .choices(["refuse", "keep"])
        .default("refuse"),
    )
    .option(
      "--skip-page-files",
      "leave out the content of pagefile.sys, swapfile.sys, hiberfil.sys (NTFS), swap files and sleepimage (HFS+)",
    );
}

/** For `findUnusedCells`. @param path of the image, which other programs read where it is a raw disk */
export function freeSpaceOf(
  flags: FreeSpaceFlags,
  path: string,
  image: DiskImage,
  signal?: AbortSignal,
): UnusedCellsOptions {
  const isRaw = image.format === "raw" && image.layers.length === 0;
  return {
    dirty: flags.dirty,
    ...(flags.skipPageFiles && { skipPageFiles: true }),
    otherMap: partcloneMaps(isRaw ? path : undefined, image.source.sizeBytes, signal),
  };
}
