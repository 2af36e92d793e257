import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import type { MachineFiles } from "../machine/machine-files.ts";

/** Some disks stand still for a minute while they erase or mend themselves; the kernel's usual 30 s give them up then. */
const PATIENCE_MS = 255_000;

/**
 * The kernel waits longer for each command to this disk, until the machine restarts. Only for one that was chosen and
 * could be read: a dead one is to be found out soon, and it would hold up the drivers of the others.
 *
 * @param put writes a file of the kernel's; for tests
 * @returns whether it does; false where the driver has no such limit (virtio), or it is as long already
 */
export function bePatientWith(
  disk: { readonly path: string },
  files: Pick<MachineFiles, "text">,
  put: (path: string, text: string) => void = writeFileSync,
): boolean {
  // Documentation/ABI/stable/sysfs-block: milliseconds.
  const limit = `/sys/block/${basename(disk.path)}/queue/io_timeout`;
  const nowMs = Number(files.text(limit));
  if (!(nowMs > 0) || nowMs >= PATIENCE_MS) return false;
  try {
    put(limit, String(PATIENCE_MS));
    return true;
  } catch {
    // A kernel that does not let it be changed.
    return false;
  }
}
