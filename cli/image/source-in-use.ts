import type { Stats } from "node:fs";
import { parseMountInfo, parseSwaps } from "../../agent/disk/disks.ts";
import type { MachineFiles } from "../../agent/machine/machine-files.ts";
import { Fault } from "../../fault.ts";
import { loopDisksOf } from "../restore/refusals.ts";

/** Devices on devices on devices: more than that is a circle. */
const MOST_LAYERS = 16;

/**
 * Refuses a device or a disk file that something may write to while it is read:
 * its image would be neither the old state nor the new one.
 *
 * @param path without links
 * @throws {Fault} SOURCE_IN_USE
 */
export function refuseSourceInUse(path: string, found: Stats, files: MachineFiles): void {
  const [user] = found.isBlockDevice() ? usersOfDevice(found.rdev, files) : usersOfFile(path, found, files);
  if (user === undefined) return;
  throw new Fault("SOURCE_IN_USE", {
    what: `${path} is in use. No image was made.`,
    why: user.why,
    fix: user.fix,
  });
}

export type SourceUser = { readonly why: string; readonly fix: string };

/** What uses a block device, any of its partitions, or what is made of them. */
export function usersOfDevice(rdev: number, files: MachineFiles): SourceUser[] {
  const link = files.link(`/sys/dev/block/${numbersOf(rdev)}`);
  // "../../devices/…/block/sda/sda1": the part behind "block" is the disk and, where it is one, its partition.
  const at = `/sys${link.replace(/^(\.\.\/)+/, "/")}`;
  return link === "" ? [] : usersBelow(at, files, MOST_LAYERS);
}

/** What uses a file as a disk: loop devices that can write to it, swap, a program that has locked it. */
export function usersOfFile(path: string, found: Stats, files: MachineFiles): SourceUser[] {
  const users: SourceUser[] = [];
  for (const device of loopDisksOf(path, files)) {
    const at = `/sys/block/${device.slice("/dev/".length)}`;
    if (files.text(`${at}/ro`) === "1") continue;
    users.push(...usersBelow(at, files, MOST_LAYERS));
    users.push({ why: `${device} is made of it, and can be written to.`, fix: `losetup --detach ${device}` });
  }
  if (parseSwaps(files.text("/proc/swaps")).includes(path)) users.push(swapUser(path));
  if (isLocked(found, files)) {
    users.push({
      why: "A program has locked it, as a running virtual machine does with its disk.",
      fix: "Shut the machine down, then start again.",
    });
  }
  return users;
}

function usersBelow(at: string, files: MachineFiles, layers: number): SourceUser[] {
  if (layers === 0) return [];
  const partitions = files.list(at).filter((name) => files.text(`${at}/${name}/partition`) !== "");
  return [
    ...usersOfNode(at, files, layers),
    ...partitions.flatMap((name) => usersOfNode(`${at}/${name}`, files, layers)),
  ];
}

function usersOfNode(at: string, files: MachineFiles, layers: number): SourceUser[] {
  const device = `/dev/${at.slice(at.lastIndexOf("/") + 1)}`;
  const mapped = files.text(`${at}/dm/name`);
  const names = [device, ...(mapped === "" ? [] : [`/dev/mapper/${mapped}`])];
  const number = files.text(`${at}/dev`);
  const users: SourceUser[] = [];
  for (const mount of parseMountInfo(files.text("/proc/self/mountinfo"))) {
    // By name, too, because Btrfs invents numbers.
    if ((number === "" || mount.device !== number) && !names.includes(mount.source)) continue;
    const fix =
      mount.point === "/"
        ? "It is the running system: start another one (the boot image, for example), or capture it by bootcast."
        : `umount ${mount.point}`;
    users.push({ why: `${names.at(-1)} is mounted at ${mount.point}.`, fix });
  }
  for (const name of parseSwaps(files.text("/proc/swaps"))) if (names.includes(name)) users.push(swapUser(name));
  for (const holder of files.list(`${at}/holders`)) {
    users.push(...usersBelow(`/sys/block/${holder}`, files, layers - 1));
    const made = files.text(`/sys/block/${holder}/dm/name`);
    users.push({
      why: `${made === "" ? `/dev/${holder}` : `/dev/mapper/${made}`} (LVM, RAID or encryption) is made of ${device}.`,
      fix: "Stop it: vgchange -an, mdadm --stop, cryptsetup close.",
    });
  }
  return users;
}

/** /proc/locks (proc(5)): "1: OFDLCK ADVISORY READ -1 fe:00:1234 100 101"; the device in hexadecimal digits. */
function isLocked({ dev, ino }: Stats, files: MachineFiles): boolean {
  const [major = 0, minor = 0] = numbersOf(dev).split(":").map(Number);
  const hex = (value: number) => value.toString(16).padStart(2, "0");
  const place = `${hex(major)}:${hex(minor)}:${ino}`;
  return files
    .text("/proc/locks")
    .split("\n")
    .some((line) => line.split(/\s+/).includes(place));
}

/** Linux' dev_t: the minor number is in two pieces (sys/sysmacros.h). */
function numbersOf(device: number): string {
  return `${(device >> 8) & 0xfff}:${(device & 0xff) | ((device >> 12) & 0xfff00)}`;
}

function swapUser(path: string): SourceUser {
  return { why: `The system swaps to ${path}.`, fix: `swapoff ${path}` };
}
