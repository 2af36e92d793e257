import { realpath, stat } from "node:fs/promises";
import { describeDisk } from "../../agent/disk/choice.ts";
import type { Disk } from "../../agent/disk/disk.ts";
import type { MachineFiles } from "../../agent/machine/machine-files.ts";
import { Fault } from "../../fault.ts";

/** Faults that mean: a safety check said no. */
const refusals = new Set([
  "TARGET_BUSY",
  "TARGET_CHANGED",
  "TARGET_IS_SOURCE",
  "TARGET_KIND",
  "TARGET_TOO_SMALL",
  "TARGET_SECTORS",
  "TARGET_FIXED",
  "TARGET_NO_SPACE",
  "DISK_BUSY",
  "STREAM_NOT_ARRIVING",
  "MANIFEST_UNTRUSTED",
  "MANIFEST_ABSENT",
]);

/** Whether a restore ended because a safety check said no: that has an exit code of its own. */
export function isRefusal({ code }: Pick<Fault, "code">): boolean {
  return refusals.has(code);
}

/**
 * Refuses a target that holds the source: the same file (by device and inode: a
 * link, or another spelling, is the same), the same disk under another node, or
 * a file of the data directory, where the store and the site's key are.
 *
 * @throws {Fault} TARGET_IS_SOURCE
 */
export async function refuseSource(source: string, target: string, dataDir: string): Promise<void> {
  const [from, to] = await Promise.all([source, target].map((path) => stat(path).catch(() => undefined)));
  const isSameFile = from !== undefined && to !== undefined && from.dev === to.dev && from.ino === to.ino;
  const isSameDisk = from?.isBlockDevice() === true && to?.isBlockDevice() === true && from.rdev === to.rdev;
  if (isSameFile || isSameDisk) throw targetIsSource(`${target} is the source itself.`);
  const [data, inside] = await Promise.all([dataDir, target].map((path) => realpath(path).catch(() => undefined)));
  if (data === undefined || inside === undefined || !inside.startsWith(`${data}/`)) return;
  throw targetIsSource(`${target} is a file of the data directory ${dataDir}.`);
}

/** The loop devices (losetup, mount -o loop) whose content is the file `path`; emptying it would take their ground away. */
export function loopDisksOf(path: string, files: MachineFiles): string[] {
  return files
    .list("/sys/block")
    .filter((name) => /^loop\d+$/.test(name) && files.text(`/sys/block/${name}/loop/backing_file`) === path)
    .map((name) => `/dev/${name}`);
}

function targetIsSource(what: string): Fault {
  return new Fault("TARGET_IS_SOURCE", {
    what: `${what} Nothing was erased.`,
    why: "Erasing the target would destroy what is to be restored.",
    fix: "Give another target.",
  });
}

/** What is right on a target can be told only by a manifest. */
export function manifestMissing(source: string): Fault {
  return new Fault("USAGE", {
    what: `${source} was not restored, because --delta needs a manifest.`,
    why: "Nothing says what the target is to hold before all of the file was read.",
    fix: 'Make one with "bootcast image scan" and put it beside the file, or give --erase instead of --delta.',
  });
}

/** Nothing is erased that nobody ordered to. */
export function eraseMissing(source: string): Fault {
  return new Fault("ERASE_NOT_ORDERED", {
    what: `${source} was not restored, because --erase was not given.`,
    why: "A restore replaces everything on the target; merging an image into a disk's content can be disastrous.",
    fix: "Add --erase when everything on the target may be lost, or --delta when what is right on it is to stay.",
  });
}

/**
 * Refuses to make a boot stick of what is no removable disk, unless it is named by its serial number.
 *
 * @param disk undefined: no whole disk; that is refused elsewhere, as one in use is
 * @throws {Fault} TARGET_FIXED
 */
export function refuseFixedDisk(path: string, disk: Disk | undefined, named: string | undefined): void {
  if (disk === undefined || disk.isRemovable || disk.transport === "usb" || disk.usedBy.length > 0) return;
  const name = disk.serial || disk.wwn || disk.path;
  if (named === name) return;
  throw new Fault("TARGET_FIXED", {
    what: `${path} was not made a boot stick, because it is no removable disk.`,
    why: `It is ${describeDisk(disk)}: perhaps a disk of this machine itself.${named === undefined ? "" : ` "${named}" is not its serial number.`}`,
    fix: `"lsblk -d -o NAME,SIZE,MODEL,TRAN" shows which one the stick is. If it is meant: --fixed-disk ${JSON.stringify(name)}.`,
  });
}
