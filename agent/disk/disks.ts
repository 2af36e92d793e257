import type { Disk } from "../contract.ts";
import type { MachineFiles } from "../machine/machine-files.ts";
import { placeOfDisk } from "./place.ts";

/** Linux counts /sys/block sizes in these, whatever the disk's own sectors are. */
const SYSFS_SECTOR_BYTES = 512;

/** Not disks: made of memory or files, optical, floppies, made of other disks, or a disk's hidden areas. */
const notADisk = /^(loop|ram|zram|sr|fd|dm-|md|nbd|drbd|mtdblock|nvme\d+c\d+n\d+$|mmcblk\d+(boot|rpmb|gp))/;

/** Every whole disk of the machine, sorted by name. */
export function readDisks(files: MachineFiles): Disk[] {
  const names = files.list("/sys/block").filter((name) => !notADisk.test(name));
  return names.map((name) => readDisk(files, name));
}

function readDisk(files: MachineFiles, name: string): Disk {
  const at = `/sys/block/${name}`;
  const text = (below: string) => files.text(`${at}/${below}`);
  const place = placeOfDisk(files, files.link(at));
  // JEDEC 84-B51: PRE_EOL_INFO 3 is "urgent", nine tenths of the reserved blocks and more are used up.
  const isWornOut = text("device/pre_eol_info") === "0x03";
  return {
    path: `/dev/${name}`,
    sizeBytes: wholeNumber(text("size")) * SYSFS_SECTOR_BYTES,
    sectorBytes: wholeNumber(text("queue/logical_block_size")) || SYSFS_SECTOR_BYTES,
    model: [text("device/vendor"), text("device/model") || text("device/name")]
      // Virtio shows its PCI vendor number, ATA the bus: neither is a maker.
      .filter((word) => word !== "" && !word.startsWith("0x") && word !== "ATA")
      .join(" "),
    serial:
      text("serial") ||
      text("device/serial") ||
      vitalProductSerial(files.bytes(`${at}/device/vpd_pg80`)) ||
      usbSerial(files, files.link(at)),
    wwn: text("wwid") || text("device/wwid"),
    transport: transportOf(name, files.link(at)),
    isRemovable: text("removable") === "1" || (name.startsWith("mmcblk") && text("device/type") === "SD"),
    isReadOnly: text("ro") === "1",
    usedBy: usersOf(files, name),
    ...(place === "" ? {} : { place }),
    ...(isWornOut ? { failing: "its flash memory is worn out (PRE_EOL_INFO 3)" } : {}),
  };
}

function transportOf(name: string, link: string): Disk["transport"] {
  if (link.includes("/usb")) return "usb";
  if (/^vd/.test(name)) return "virtio";
  if (/^nvme/.test(name)) return "nvme";
  if (/^mmcblk/.test(name)) return "mmc";
  if (/^sd/.test(name)) return link.includes("/ata") ? "sata" : "scsi";
  return "other";
}

/** SCSI's unit serial number page: a header of 4 bytes, the length in the last two, then ASCII. */
export function vitalProductSerial(page: Uint8Array | undefined): string {
  if (page === undefined || page.length < 4 || page[1] !== 0x80) return "";
  const length = ((page[2] ?? 0) << 8) | (page[3] ?? 0);
  return Buffer.from(page.subarray(4, 4 + length))
    .toString("latin1")
    .replaceAll(/[^\x20-\x7e]/g, "")
    .trim();
}

/**
 * The serial number of the USB device that a disk is. Of several disks of one device (the slots of a card reader) only
 * the first has it: the others could not be told from it.
 */
function usbSerial(files: MachineFiles, link: string): string {
  const [, device] = /^\.\.(\/.+)\/\d+-[\d.]+:\d+\.\d+\/.*\/\d+:0:0:0\/block\//.exec(link) ?? [];
  return device === undefined ? "" : files.text(`/sys${device}/serial`);
}

/** Mount points, swap and holders (LVM, RAID, encryption) of the disk and of each of its partitions. */
function usersOf(files: MachineFiles, disk: string): string[] {
  const at = `/sys/block/${disk}`;
  const partitions = files.list(at).filter((name) => name.startsWith(disk) && files.text(`${at}/${name}/partition`));
  const mounts = parseMountInfo(files.text("/proc/self/mountinfo"));
  const swaps = parseSwaps(files.text("/proc/swaps"));
  const users: string[] = [];
  for (const name of [disk, ...partitions]) {
    const below = name === disk ? at : `${at}/${name}`;
    const number = files.text(`${below}/dev`);
    for (const mount of mounts) {
      // By number, because /proc may know the device by another name; by name too, because Btrfs invents numbers.
      if ((number !== "" && mount.device === number) || mount.source === `/dev/${name}`) users.push(mount.point);
    }
    if (swaps.includes(`/dev/${name}`)) users.push(`swap on /dev/${name}`);
    for (const holder of files.list(`${below}/holders`)) users.push(holderText(files, holder));
  }
  return [...new Set(users)];
}

/** "/dev/dm-0", and what the device mapper calls it: "/dev/dm-0 mpatha", "/dev/md127 raid1". */
function holderText(files: MachineFiles, holder: string): string {
  const name = files.text(`/sys/block/${holder}/dm/name`);
  const level = files.text(`/sys/block/${holder}/md/level`);
  return [`/dev/${holder}`, name, level].filter((word) => word !== "").join(" ");
}

export type Mount = { readonly device: string; readonly point: string; readonly type: string; readonly source: string };

/** /proc/self/mountinfo (proc(5)): optional fields end at " - ". Lines that do not look so are left out. */
export function parseMountInfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , device, , point] = before.split(" ");
    const [type, source] = after.split(" ");
    if (device === undefined || point === undefined || type === undefined || source === undefined) continue;
    mounts.push({ device, point: unescapeOctal(point), type, source: unescapeOctal(source) });
  }
  return mounts;
}

/** The devices and files in /proc/swaps; its first line is a heading. */
export function parseSwaps(text: string): string[] {
  return text
    .split("\n")
    .slice(1)
    .map((line) => unescapeOctal(line.split(/\s/)[0] ?? ""))
    .filter((name) => name !== "");
}

// The kernel writes space, tab, newline and backslash as \040 and so on.
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function wholeNumber(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}
