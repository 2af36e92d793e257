import { Fault } from "../../fault.ts";
import type { Disk } from "../contract.ts";
import { describeDisk, unfitOf } from "../disk/choice.ts";
import { formatSize } from "../disk/sizes.ts";

/**
 * The one disk that may be captured, or a refusal that says of every disk why not. With two, a person decides.
 *
 * @param mostDiskBytes how large it was when somebody ordered this
 * @throws {Fault} DISK_REFUSED
 */
export function chooseCaptureDisk(disks: readonly Disk[], mostDiskBytes: number): Disk {
  const refusalOf = (disk: Disk) =>
    unfitOf(disk) ??
    (disk.sizeBytes > mostDiskBytes
      ? `it is larger than the ${formatSize(mostDiskBytes)} that were ordered`
      : undefined);
  const fitting = disks.filter((disk) => refusalOf(disk) === undefined);
  const [only] = fitting;
  if (only !== undefined && fitting.length === 1) return only;
  if (fitting.length > 1) {
    throw new Fault("DISK_REFUSED", {
      what: `${fitting.length} disks could be captured, and nobody said which one.`,
      why: `${fitting.map(describeDisk).join("; ")}.`,
      fix: "Disconnect the others, and order the capture again.",
    });
  }
  throw new Fault("DISK_REFUSED", {
    what: "No disk of this machine can be captured.",
    why:
      disks.length === 0
        ? "The kernel shows no disk at all: none is connected, or its driver is not in the boot image."
        : `${disks.map((disk) => `${describeDisk(disk)}: ${refusalOf(disk)}`).join("; ")}.`,
    fix: "Connect a fixed disk, let the machine start from the network once, and order the capture again.",
  });
}
