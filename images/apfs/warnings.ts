import type { BlockSource } from "../block.ts";
import { Volume } from "../free-space/volume.ts";
import type { DiskLayout } from "../partition-table.ts";
import { volumesOf } from "../unused-cells.ts";
import { apfsFirstBoot } from "./first-boot.ts";

/** How the job comes into a master. */
export const JOB_IN_MASTER =
  '"bootcast image first-boot-job --out FOLDER" makes a job for the master: put it in there right before the image is made';
/** How the job comes into an image. */
export const MAKE_JOB =
  '"bootcast image import --first-boot-job" puts it into an image of a disk that is not encrypted';

/** What people should know about the Macs with APFS on a disk that becomes an image, one sentence each. */
export async function apfsWarnings(source: BlockSource, layout: DiskLayout): Promise<string[]> {
  const warnings: string[] = [];
  for (const { name, fileSystem, startBytes, endBytes } of await volumesOf(source, layout)) {
    if (fileSystem !== "apfs") continue;
    const found = await apfsFirstBoot(new Volume(source, startBytes, endBytes - startBytes));
    const where = name.charAt(0).toUpperCase() + name.slice(1);
    if (found.has === "no job") {
      warnings.push(
        `${where} holds a macOS whose clones keep the names of the master, for it lacks the job for a Mac's first start. ${MAKE_JOB}. Else: ${JOB_IN_MASTER}.`,
      );
    } else if (found.has === "unknown") {
      warnings.push(
        `${where} ${found.why}; whether the job for a Mac's first start is in it cannot be seen. ${JOB_IN_MASTER}.`,
      );
    }
  }
  return warnings;
}
