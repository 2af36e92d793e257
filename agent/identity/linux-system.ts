import type { VolumeFiles } from "./volume-files.ts";

/** True for a volume that holds the root of a Linux system. */
export async function isLinuxRoot(volume: VolumeFiles): Promise<boolean> {
  if (!(await volume.exists("/etc"))) return false;
  // os-release(5): the first is often a link to the second.
  return (await volume.exists("/etc/os-release")) || (await volume.exists("/usr/lib/os-release"));
}
