import { Implausible, type Volume } from "../free-space/volume.ts";
import { type ApfsVolume, readApfsVolumes, SYSTEM_ROLE } from "./container.ts";
import { hasPath } from "./paths.ts";

/** Where the job of a Mac's first start lies. */
export const FIRST_BOOT_JOB = "Library/LaunchDaemons/org.bootcast.first-boot.plist";
/** Where a macOS says which it is. */
export const SYSTEM_VERSION = "System/Library/CoreServices/SystemVersion.plist";

/** What becomes of a Mac's names at its first start, when its image has APFS. */
export type ApfsFirstBoot =
  /** The job is there: it names the Mac. */
  | { readonly has: "job" }
  /** A macOS without the job: every clone keeps the names of the master. */
  | { readonly has: "no job" }
  /** No macOS is in it. */
  | { readonly has: "no system" }
  /** `why` goes behind "it". */
  | { readonly has: "unknown"; readonly why: string };

/** Looks for the job in a container of APFS, which nobody but a Mac writes to. */
export async function apfsFirstBoot(container: Volume): Promise<ApfsFirstBoot> {
  try {
    const volumes = await readApfsVolumes(container);
    let isSystem = false;
    for (const volume of volumes.filter(({ isEncrypted }) => !isEncrypted)) {
      if (await isIn(volume, FIRST_BOOT_JOB)) return { has: "job" };
      isSystem ||= volume.role === SYSTEM_ROLE || (await isIn(volume, SYSTEM_VERSION));
    }
    if (volumes.some(({ isEncrypted }) => isEncrypted)) return { has: "unknown", why: "is encrypted" };
    return { has: isSystem ? "no job" : "no system" };
  } catch (error) {
    if (error instanceof Implausible) return { has: "unknown", why: `cannot be read: ${error.message}` };
    throw error;
  }
}

/** A sealed system holds no jobs of others, and its tree is another one. */
async function isIn(volume: ApfsVolume, path: string): Promise<boolean> {
  return volume.role !== SYSTEM_ROLE && hasPath(volume, path);
}
