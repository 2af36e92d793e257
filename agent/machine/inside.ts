import { Fault } from "../../fault.ts";
import { SITE_KEYS_PATH } from "../client/site-keys.ts";
import { parseMountInfo } from "../disk/disks.ts";
import type { MachineFiles } from "./machine-files.ts";

/** File systems that live in memory: an unpacked initramfs is one of them. */
const memoryFileSystems = ["rootfs", "ramfs", "tmpfs"];

/**
 * The agent erases disks and restarts the machine. It does so only inside the
 * boot image: a root file system in memory with a site's key in it.
 *
 * @throws {Fault} NOT_IN_BOOT_IMAGE
 */
export function assertInsideBootImage(files: MachineFiles): void {
  const roots = parseMountInfo(files.text("/proc/self/mountinfo")).filter(({ point }) => point === "/");
  const isInMemory = roots.length > 0 && roots.every(({ type }) => memoryFileSystems.includes(type));
  if (isInMemory && files.text(SITE_KEYS_PATH) !== "") return;
  throw new Fault("NOT_IN_BOOT_IMAGE", {
    what: "The agent runs only inside bootcast's boot image.",
    why: "It erases the local disk and restarts the machine when the server says so; this machine runs its own system.",
    fix: "Netboot the machine that is to be re-imaged. To restore to a disk of this machine, use bootcast restore.",
  });
}
