import { Fault } from "../fault.ts";
import type { Disk } from "./contract.ts";
import { formatSize } from "./sizes.ts";

/** What an image asks of a disk. */
export type DiskNeed = {
  /** The size of the imaged disk in bytes: the target is at least as large. */
  readonly imageBytes: number;
  /** The logical sector size in bytes that the image's partition table counts in. */
  readonly sectorBytes: number;
};

/**
 * The one disk that may be erased, or a refusal that says of every disk why not.
 * Exactly one fixed disk must fit: with two, a person decides, not the agent.
 *
 * @throws {Fault} DISK_REFUSED
 */
export function chooseDisk(disks: readonly Disk[], need: DiskNeed): Disk {
  const fitting = disks.filter((disk) => refusalOf(disk, need) === undefined);
  const [only] = fitting;
  if (only !== undefined && fitting.length === 1) return only;
  if (fitting.length > 1) {
    throw new Fault("DISK_REFUSED", {
      what: `${fitting.length} disks could take the image, and nobody said which one to erase.`,
      why: `${fitting.map(describeDisk).join("; ")}.`,
      fix: "Disconnect the disks that must not be erased, or restore this host by hand.",
    });
  }
  throw new Fault("DISK_REFUSED", {
    what: `No disk of this machine can take the image (${formatSize(need.imageBytes)}).`,
    why:
      disks.length === 0
        ? "The kernel shows no disk at all: none is connected, or its driver is not in the boot image."
        : `${disks.map((disk) => `${describeDisk(disk)}: ${refusalOf(disk, need)}`).join("; ")}.`,
    fix: "Connect a fixed disk that is large enough, or choose an image that fits this machine.",
  });
}

/** Why `disk` may not be erased for this image; undefined when it may. */
export function refusalOf(disk: Disk, need: DiskNeed): string | undefined {
  const unfit = unfitOf(disk);
  if (unfit !== undefined) return unfit;
  if (disk.isReadOnly) return "it is read-only";
  if (disk.sectorBytes !== need.sectorBytes) {
    return `its sectors have ${disk.sectorBytes} bytes and the image's have ${need.sectorBytes}`;
  }
  if (disk.sizeBytes < need.imageBytes) {
    return `it is too small: ${disk.sizeBytes} bytes, and the image needs ${need.imageBytes}`;
  }
  return undefined;
}

/** Why `disk` is not the machine's own disk, or is not free; undefined when it is. */
export function unfitOf(disk: Disk): string | undefined {
  if (disk.sizeBytes === 0) return "it has no medium";
  if (disk.isRemovable) return "it is removable";
  if (disk.transport === "usb") return "it is connected by USB";
  if (disk.usedBy.length > 0) return `it is in use (${disk.usedBy.join(", ")})`;
  return undefined;
}

/** "/dev/vda 1.0 GiB virtio QEMU HARDDISK serial-1": what a person needs to recognise a disk. */
export function describeDisk(disk: Disk): string {
  return [disk.path, formatSize(disk.sizeBytes), disk.transport, disk.model, disk.serial]
    .filter((word) => word !== "")
    .join(" ");
}

/**
 * Says in words what differs when `now` is not the disk that was chosen: a
 * device name is not an identity, and disks can be pulled between two looks.
 */
export function changeOfDisk(chosen: Disk, now: Disk | undefined): string | undefined {
  if (now === undefined) return `${chosen.path} is gone`;
  if (now.sizeBytes !== chosen.sizeBytes) return `${chosen.path} changed its size to ${now.sizeBytes} bytes`;
  if (now.serial !== chosen.serial) return `${chosen.path} changed its serial number to "${now.serial}"`;
  if (now.wwn !== chosen.wwn) return `${chosen.path} changed its WWN to "${now.wwn}"`;
  if (now.model !== chosen.model || now.transport !== chosen.transport || now.isRemovable !== chosen.isRemovable) {
    return `${chosen.path} is ${describeDisk(now)} now`;
  }
  if (now.sectorBytes !== chosen.sectorBytes) return `${chosen.path} changed its sector size`;
  if (now.usedBy.length > 0) return `${chosen.path} is in use now (${now.usedBy.join(", ")})`;
  if (now.isReadOnly) return `${chosen.path} is read-only now`;
  return undefined;
}

/** DISK_CHANGED. @param what what was not done because of it, a sentence */
export function diskChanged(change: string, what: string): Fault {
  return new Fault("DISK_CHANGED", {
    what: "The disk is not the one any more that was chosen.",
    why: `${change}.`,
    fix: `Check the cables and start the machine again. ${what}`,
  });
}
