import { join, posix } from "node:path";
import type { FileTree } from "./file-tree.ts";
import { JoinedTree, type TreeAt } from "./joined-tree.ts";
import { isLinuxRoot } from "./linux-system.ts";
import { MountedTree } from "./mounted-tree.ts";
import { VolumeFiles } from "./volume-files.ts";

/**
 * The Linux systems on a Btrfs volume. What the volume shows when it is mounted may hold none: Debian, Ubuntu and Fedora
 * have their root in a subvolume ("@rootfs", "@", "root") that only /etc/fstab and the boot loader name; openSUSE has it
 * in the default one, and /var beside it.
 *
 * @param shown where the volume is mounted as it shows itself
 * @param top where all of it is mounted (subvolid=5)
 */
export async function btrfsSystems(shown: string, top: string): Promise<FileTree[]> {
  const places = [shown, top];
  const all = new MountedTree(top);
  for (const name of (await all.list("/")).sort())
    if ((await all.lstat(`/${name}`))?.isDirectory() === true) places.push(join(top, name));
  const systems: FileTree[] = [];
  const seen = new Set<number>();
  for (const place of places) {
    const root = new MountedTree(place);
    // Each subvolume has a device number of its own: the default one is met twice.
    const device = (await root.lstat("/"))?.dev ?? 0;
    if (seen.has(device) || !(await isLinuxRoot(new VolumeFiles(root)))) continue;
    seen.add(device);
    const fstab = (await new VolumeFiles(root).readText("/etc/fstab")) ?? "";
    const inside: TreeAt[] = [];
    for (const { point, subvolume } of subvolumesIn(fstab)) {
      if ((await all.lstat(subvolume))?.isDirectory() === true)
        inside.push({ point, tree: new MountedTree(join(top, subvolume)) });
    }
    systems.push(inside.length === 0 ? root : new JoinedTree(root, inside));
  }
  return systems;
}

/** The subvolumes that an fstab mounts below the root, from the volume that the root is on. */
export function subvolumesIn(fstab: string): { readonly point: string; readonly subvolume: string }[] {
  const lines = fstab
    .split("\n")
    .filter((line) => !/^\s*(#|$)/.test(line))
    .map((line) => line.trim().split(/\s+/));
  const root = lines.find(([, point]) => point === "/")?.[0];
  const found: { point: string; subvolume: string }[] = [];
  for (const [device, point = "", type, options = ""] of lines) {
    if (device !== root || type !== "btrfs" || !point.startsWith("/") || point === "/") continue;
    const subvolume = /(?:^|,)subvol=([^,]+)/.exec(options)?.[1];
    if (subvolume !== undefined)
      found.push({ point: posix.normalize(point).replace(/\/$/, ""), subvolume: posix.normalize(`/${subvolume}`) });
  }
  return found;
}
