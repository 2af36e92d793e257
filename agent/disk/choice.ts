import { Fault } from "../../fault.ts";
import { contentText, type ExpectedContent, refuseUnexpected } from "./content.ts";
import type { Disk } from "./disk.ts";
import { allows, type DiskRule, fitsPattern, onlyDisk } from "./rule.ts";
import { formatSize } from "./sizes.ts";

/** What an image asks of a disk. */
export type DiskNeed = {
  /** The size of the imaged disk in bytes: the target is at least as large. */
  readonly imageBytes: number;
  /** The logical sector size in bytes that the image's partition table counts in. */
  readonly sectorBytes: number;
};

/** What an order says of the disk. */
export type DiskTerms = ExpectedContent & { readonly rule: DiskRule };

/** An order that says nothing: the only disk that fits. */
export const defaultTerms: DiskTerms = { rule: onlyDisk, confirmed: [], known: "" };

/**
 * The one disk that may be erased, or a refusal that names each disk and why it was not taken.
 * Where the rule leaves several, a person decides, not the agent.
 *
 * @throws {Fault} DISK_REFUSED; DISK_UNEXPECTED when what the disk holds was neither expected nor confirmed
 */
export function chooseDisk(disks: readonly Disk[], need: DiskNeed, terms: DiskTerms = defaultTerms): Disk {
  const { rule } = terms;
  const refusals = new Map(disks.map((disk) => [disk, refusalOf(disk, need, rule, disks)]));
  const fitting = disks.filter((disk) => refusals.get(disk) === undefined);
  const picked = pickedOf(fitting, rule);
  const [chosen] = picked;
  if (chosen !== undefined && picked.length === 1) {
    refuseUnexpected(chosen, rule, terms);
    return chosen;
  }
  const why = disks.map((disk) => {
    const refusal = refusals.get(disk) ?? (picked.includes(disk) ? "it fits" : "another one fits the rule better");
    return `${describeDisk(disk)}: ${refusal}`;
  });
  if (picked.length > 1) {
    const equal = rule.pick === "only" ? "" : ` They are equally ${rule.pick === "smallest" ? "small" : "large"}.`;
    throw new Fault("DISK_REFUSED", {
      what: `${picked.length} disks could take the image, and nobody said which one to erase.`,
      why: `${why.join("; ")}.${equal}`,
      fix: 'Order it again with a rule that fits one disk alone (--disk "serial=…", "size=..1T", "transport=nvme"), or disconnect the disks that must not be erased.',
    });
  }
  throw new Fault("DISK_REFUSED", {
    what: `No disk of this machine can take the image (${formatSize(need.imageBytes)}).`,
    why:
      disks.length === 0
        ? "The kernel shows no disk at all: none is connected, or its driver is not in the boot image."
        : `${why.join("; ")}.`,
    fix: "Connect a fixed disk that is large enough, choose an image that fits this machine, or change the rule (--disk).",
  });
}

/** What the rule takes of the disks that fit; several where nothing tells them apart. */
function pickedOf(fitting: readonly Disk[], { pick }: DiskRule): readonly Disk[] {
  if (pick === "only") return fitting;
  const sizes = fitting.map(({ sizeBytes }) => sizeBytes);
  const wanted = pick === "smallest" ? Math.min(...sizes) : Math.max(...sizes);
  return fitting.filter(({ sizeBytes }) => sizeBytes === wanted);
}

/**
 * Why `disk` may not be erased for this image; undefined when it may.
 *
 * @param all every disk of the machine: the same one may be reached on several paths
 */
export function refusalOf(
  disk: Disk,
  need: DiskNeed,
  rule: DiskRule = onlyDisk,
  all: readonly Disk[] = [],
): string | undefined {
  if (disk.sizeBytes === 0) return "it has no medium";
  const unfit = mismatchOf(disk, rule) ?? unfitOf(disk, rule);
  if (unfit !== undefined) return unfit;
  if (disk.isReadOnly) return "it is read-only";
  if (disk.failing !== undefined && !allows(rule, "failing")) return `it fails: ${disk.failing}`;
  const paths = otherPathsOf(disk, all);
  if (paths.length > 0 && !allows(rule, "multipath")) {
    return `it is reached on several paths: ${paths.join(", ")} has its WWN, too`;
  }
  if (disk.sectorBytes !== need.sectorBytes) {
    return `its sectors have ${disk.sectorBytes} bytes and the image's have ${need.sectorBytes}`;
  }
  if (disk.sizeBytes < need.imageBytes) {
    return `it is too small: ${disk.sizeBytes} bytes, and the image needs ${need.imageBytes}`;
  }
  return undefined;
}

/** Why `disk` is not the machine's own disk, or is not free; undefined when it is. */
export function unfitOf(disk: Disk, rule: DiskRule = onlyDisk): string | undefined {
  if (disk.sizeBytes === 0) return "it has no medium";
  if (disk.isBootMedium === true) return "this machine was started from it";
  if (disk.usedBy.length > 0) return `it is in use (${disk.usedBy.join(", ")})`;
  // A USB stick is both; who asked for USB disks asked for it.
  const isUsb = disk.transport === "usb";
  if (disk.isRemovable && !allows(rule, "removable") && !(isUsb && allows(rule, "usb"))) return "it is removable";
  if (isUsb && !allows(rule, "usb")) return "it is connected by USB";
  return undefined;
}

/** The first condition of the rule that `disk` does not meet. */
function mismatchOf(disk: Disk, rule: DiskRule): string | undefined {
  const { serial, wwn, path, model, transport, size } = rule;
  const asked = (what: string, is: string, wanted: readonly string[]) =>
    `its ${what} is ${is === "" ? "not known" : is}, and the rule asks for ${wanted.join(" or ")}`;
  if (serial !== undefined && !fitsPattern(disk.serial, serial)) return asked("serial number", disk.serial, serial);
  if (wwn !== undefined && !fitsPattern(bareWwn(disk.wwn), wwn.map(bareWwn))) return asked("WWN", disk.wwn, wwn);
  const places = [disk.path, disk.place ?? ""].filter((place) => place !== "");
  if (path !== undefined && !places.some((place) => fitsPattern(place, path.map(barePlace)))) {
    return asked("place", disk.place ?? disk.path, path);
  }
  if (model !== undefined && !fitsPattern(disk.model, model)) return asked("model", disk.model, model);
  if (transport !== undefined && !transport.includes(disk.transport)) {
    return asked("transport", disk.transport, transport);
  }
  if (size !== undefined && (disk.sizeBytes < size.leastBytes || disk.sizeBytes > size.mostBytes)) {
    const most = size.mostBytes === Number.MAX_SAFE_INTEGER ? "" : String(size.mostBytes);
    return `it has ${disk.sizeBytes} bytes, and the rule asks for ${size.leastBytes}..${most}`;
  }
  return undefined;
}

/** Kernel, udev and tools write the same number as naa.5002…, wwn-0x5002… and 0x5002…. */
function bareWwn(wwn: string): string {
  return wwn.toLowerCase().replace(/^(wwn-)?(naa\.|eui\.|uuid\.|0x)?/, "");
}

function barePlace(path: string): string {
  return path.replace(/^\/dev\/disk\/by-path\//, "");
}

/** Other devices that are the same disk: on another path of a storage network, or of a disk with two ports. */
function otherPathsOf(disk: Disk, all: readonly Disk[]): string[] {
  if (disk.wwn === "") return [];
  const same = all.filter(({ path, wwn, sizeBytes }) => {
    return path !== disk.path && bareWwn(wwn) === bareWwn(disk.wwn) && sizeBytes === disk.sizeBytes;
  });
  return same.map(({ path }) => path);
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
  if (now.place !== chosen.place) return `${chosen.path} is at ${now.place ?? "another place"} now`;
  if (now.sectorBytes !== chosen.sectorBytes) return `${chosen.path} changed its sector size`;
  if (now.usedBy.length > 0) return `${chosen.path} is in use now (${now.usedBy.join(", ")})`;
  if (now.isReadOnly) return `${chosen.path} is read-only now`;
  // Only where both were looked at: after the restore it holds something else, of course.
  if (now.holds !== undefined && chosen.holds !== undefined && contentText(now) !== contentText(chosen)) {
    return `${chosen.path} holds something else now (${contentText(now)})`;
  }
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
