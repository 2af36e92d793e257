import type { DiskTerms } from "../../../agent/disk/choice.ts";
import type { Disk } from "../../../agent/disk/disk.ts";

/** One machine's disks, what was ordered, and what must come of it. */
export type DiskCase = {
  readonly name: string;
  readonly disks: readonly Disk[];
  /** "only" unless given. */
  readonly rule?: string;
  readonly confirmed?: readonly string[];
  readonly known?: DiskTerms["known"];
  /** The image's size and sectors; 100 GB and 512 unless given. */
  readonly imageBytes?: number;
  readonly sectorBytes?: number;
  /** The path that is taken, or the code of the refusal. */
  readonly takes: string;
  /** Of a refusal: what is said of each disk, in their order. */
  readonly why?: readonly RegExp[];
};

const GB = 1e9;
let counted = 0;

function disk(path: string, more: Partial<Disk> = {}): Disk {
  counted += 1;
  return {
    path,
    sizeBytes: 500 * GB,
    sectorBytes: 512,
    model: "Maker Model",
    serial: `SN-${counted}`,
    wwn: "",
    transport: "sata",
    isRemovable: false,
    isReadOnly: false,
    usedBy: [],
    holds: [],
    ...more,
  };
}

const sata = (more: Partial<Disk> = {}) => disk("/dev/sda", { model: "Samsung SSD 870", ...more });
const second = (more: Partial<Disk> = {}) => disk("/dev/sdb", { model: "WDC WD10EZEX", sizeBytes: 1000 * GB, ...more });
const nvme = (more: Partial<Disk> = {}) => disk("/dev/nvme0n1", { transport: "nvme", model: "KIOXIA", ...more });
const virtio = (more: Partial<Disk> = {}) => disk("/dev/vda", { transport: "virtio", model: "", ...more });
const emmc = (more: Partial<Disk> = {}) => disk("/dev/mmcblk0", { transport: "mmc", sizeBytes: 128 * GB, ...more });
const card = (more: Partial<Disk> = {}) => emmc({ path: "/dev/mmcblk1", isRemovable: true, ...more });
const stick = (more: Partial<Disk> = {}) =>
  disk("/dev/sdc", { transport: "usb", isRemovable: true, model: "SanDisk Ultra", ...more });
const usbDisk = (more: Partial<Disk> = {}) => disk("/dev/sdd", { transport: "usb", model: "Elements 25A2", ...more });
const held = (kind: string, label = "", number = 1) => ({ number, kind, label });

/** Every kind of machine that a room has, and those that a room had once. */
export const diskCases: readonly DiskCase[] = [
  // One disk, of every kind.
  { name: "virtio alone", disks: [virtio()], takes: "/dev/vda" },
  { name: "SATA alone", disks: [sata()], takes: "/dev/sda" },
  { name: "NVMe alone", disks: [nvme()], takes: "/dev/nvme0n1" },
  { name: "eMMC alone", disks: [emmc()], takes: "/dev/mmcblk0" },
  { name: "a SAS disk alone", disks: [disk("/dev/sda", { transport: "scsi" })], takes: "/dev/sda" },
  {
    name: "a RAID controller's volume",
    disks: [disk("/dev/sda", { transport: "scsi", model: "MegaRAID" })],
    takes: "/dev/sda",
  },
  { name: "Xen's disk", disks: [disk("/dev/xvda", { transport: "other" })], takes: "/dev/xvda" },
  { name: "of exactly the image's size", disks: [sata({ sizeBytes: 100 * GB })], takes: "/dev/sda" },
  { name: "4Kn with an image of 4096", disks: [nvme({ sectorBytes: 4096 })], sectorBytes: 4096, takes: "/dev/nvme0n1" },
  {
    name: "with Windows on it",
    disks: [sata({ holds: [held("vfat", "SYSTEM"), held("ntfs", "Windows", 3)] })],
    takes: "/dev/sda",
  },
  {
    name: "with another maker's system on it",
    disks: [sata({ holds: [held("hfsplus", "Macintosh HD", 2)] })],
    takes: "/dev/sda",
  },
  { name: "with APFS that is not encrypted", disks: [nvme({ holds: [held("apfs", "", 2)] })], takes: "/dev/nvme0n1" },
  // One disk, and it will not do.
  { name: "no disk at all", disks: [], takes: "DISK_REFUSED" },
  { name: "a drive without a medium", disks: [sata({ sizeBytes: 0 })], takes: "DISK_REFUSED", why: [/no medium/] },
  { name: "one byte too small", disks: [sata({ sizeBytes: 100 * GB - 1 })], takes: "DISK_REFUSED", why: [/too small/] },
  {
    name: "4Kn with an image of 512",
    disks: [nvme({ sectorBytes: 4096 })],
    takes: "DISK_REFUSED",
    why: [/4096 bytes and the image's have 512/],
  },
  {
    name: "512 with an image of 4096",
    disks: [nvme()],
    sectorBytes: 4096,
    takes: "DISK_REFUSED",
    why: [/512 bytes and the image's have 4096/],
  },
  { name: "read-only", disks: [sata({ isReadOnly: true })], takes: "DISK_REFUSED", why: [/read-only/] },
  {
    name: "a mounted file system",
    disks: [sata({ usedBy: ["/mnt/data"] })],
    takes: "DISK_REFUSED",
    why: [/in use \(\/mnt\/data\)/],
  },
  { name: "swap in use", disks: [sata({ usedBy: ["swap on /dev/sda2"] })], takes: "DISK_REFUSED", why: [/swap on/] },
  {
    name: "held by a RAID that runs",
    disks: [sata({ usedBy: ["/dev/md127 raid1"] })],
    takes: "DISK_REFUSED",
    why: [/md127 raid1/],
  },
  {
    name: "held by the device mapper",
    disks: [sata({ usedBy: ["/dev/dm-0 vg0-root"] })],
    takes: "DISK_REFUSED",
    why: [/dm-0 vg0-root/],
  },
  {
    name: "held by multipath",
    disks: [disk("/dev/sda", { transport: "scsi", usedBy: ["/dev/dm-1 mpatha"] })],
    takes: "DISK_REFUSED",
    why: [/mpatha/],
  },
  {
    name: "SMART says that it fails",
    disks: [sata({ failing: "SMART says so" })],
    takes: "DISK_REFUSED",
    why: [/it fails: SMART/],
  },
  {
    name: "it cannot be read",
    disks: [sata({ failing: "it cannot be read (EIO)" })],
    takes: "DISK_REFUSED",
    why: [/cannot be read/],
  },
  {
    name: "eMMC that is worn out",
    disks: [emmc({ failing: "its flash memory is worn out" })],
    takes: "DISK_REFUSED",
    why: [/worn out/],
  },
  { name: "a USB stick alone", disks: [stick()], takes: "DISK_REFUSED", why: [/removable/] },
  { name: "a USB disk alone", disks: [usbDisk()], takes: "DISK_REFUSED", why: [/USB/] },
  { name: "an SD card alone", disks: [card()], takes: "DISK_REFUSED", why: [/removable/] },
  {
    name: "a SATA disk in a removable frame",
    disks: [sata({ isRemovable: true })],
    takes: "DISK_REFUSED",
    why: [/removable/],
  },
  {
    name: "our own boot medium, fixed",
    disks: [sata({ isBootMedium: true })],
    takes: "DISK_REFUSED",
    why: [/started from it/],
  },
  // What stands beside it is left alone.
  { name: "SATA and a stick", disks: [sata(), stick()], takes: "/dev/sda" },
  {
    name: "a stick that came first",
    disks: [stick({ path: "/dev/sda" }), sata({ path: "/dev/sdb" })],
    takes: "/dev/sdb",
  },
  {
    name: "NVMe, a card reader without a card, a stick",
    disks: [nvme(), card({ sizeBytes: 0 }), stick()],
    takes: "/dev/nvme0n1",
  },
  { name: "NVMe and a backup disk on USB", disks: [nvme(), usbDisk()], takes: "/dev/nvme0n1" },
  { name: "eMMC and an SD card", disks: [emmc(), card()], takes: "/dev/mmcblk0" },
  {
    name: "the boot stick that says it is fixed",
    disks: [nvme(), usbDisk({ isBootMedium: true })],
    takes: "/dev/nvme0n1",
  },
  { name: "a disk and one that fails", disks: [sata(), second({ failing: "SMART says so" })], takes: "/dev/sda" },
  {
    name: "a disk and a small cache",
    disks: [second({ path: "/dev/sda" }), nvme({ sizeBytes: 16 * GB })],
    takes: "/dev/sda",
  },
  {
    name: "the SSD has died, the archive is left",
    disks: [second({ isReadOnly: true }), sata({ sizeBytes: 0 })],
    takes: "DISK_REFUSED",
    why: [/read-only/, /no medium/],
  },
  // Several that would do: a person decides.
  {
    name: "two equal disks",
    disks: [sata(), sata({ path: "/dev/sdb" })],
    takes: "DISK_REFUSED",
    why: [/it fits/, /it fits/],
  },
  {
    name: "SSD and HDD",
    disks: [nvme(), second(), stick()],
    takes: "DISK_REFUSED",
    why: [/it fits/, /it fits/, /removable/],
  },
  { name: "SSD and HDD, the smallest", disks: [nvme(), second()], rule: "smallest", takes: "/dev/nvme0n1" },
  { name: "SSD and HDD, the largest", disks: [nvme(), second()], rule: "largest", takes: "/dev/sdb" },
  {
    name: "the smallest of those that fit",
    disks: [nvme({ sizeBytes: 16 * GB }), sata(), second()],
    rule: "smallest",
    takes: "/dev/sda",
  },
  {
    name: "the smallest, and two are",
    disks: [sata(), nvme(), second()],
    rule: "smallest",
    takes: "DISK_REFUSED",
    why: [/it fits/, /it fits/, /fits the rule better/],
  },
  {
    name: "the largest is a USB disk",
    disks: [sata(), usbDisk({ sizeBytes: 4000 * GB })],
    rule: "largest",
    takes: "/dev/sda",
  },
  // By rule.
  { name: "by serial number", disks: [sata({ serial: "S21PNX" }), second()], rule: "serial=s21pnx", takes: "/dev/sda" },
  {
    name: "by a serial number that is not there",
    disks: [sata({ serial: "A" }), second({ serial: "" })],
    rule: "serial=X",
    takes: "DISK_REFUSED",
    why: [/is A, and the rule asks for X/, /not known/],
  },
  {
    name: "by WWN, as udev writes it",
    disks: [sata({ wwn: "naa.5002538d40f1e2a3" }), second()],
    rule: "wwn=0x5002538D40F1E2A3",
    takes: "/dev/sda",
  },
  {
    name: "by place",
    disks: [sata({ place: "pci-0000:00:1f.2-ata-1" }), second({ place: "pci-0000:00:1f.2-ata-2" })],
    rule: "path=pci-0000:00:1f.2-ata-2",
    takes: "/dev/sdb",
  },
  {
    name: "by a link of udev's",
    disks: [sata({ place: "pci-0000:00:1f.2-ata-1" }), second()],
    rule: "path=/dev/disk/by-path/pci-0000:00:1f.2-ata-1",
    takes: "/dev/sda",
  },
  { name: "by device name", disks: [sata(), second()], rule: "path=/dev/sdb", takes: "/dev/sdb" },
  { name: "by size range", disks: [sata(), second()], rule: "size=..600G", takes: "/dev/sda" },
  { name: "by model", disks: [sata(), second()], rule: 'model="samsung ssd*"', takes: "/dev/sda" },
  { name: "by transport", disks: [sata(), second(), nvme()], rule: "transport=nvme|virtio", takes: "/dev/nvme0n1" },
  {
    name: "a rule that fits two",
    disks: [sata(), second(), nvme()],
    rule: "transport=sata",
    takes: "DISK_REFUSED",
    why: [/it fits/, /it fits/, /transport is nvme/],
  },
  {
    name: "a rule that names a mounted disk",
    disks: [sata({ usedBy: ["/"] }), second()],
    rule: "path=/dev/sda",
    takes: "DISK_REFUSED",
    why: [/in use/, /place is/],
  },
  {
    name: "a rule that names a disk too small",
    disks: [sata({ sizeBytes: GB }), second()],
    rule: "path=/dev/sda",
    takes: "DISK_REFUSED",
    why: [/too small/, /place is/],
  },
  {
    name: "a rule that names the boot medium",
    disks: [usbDisk({ isBootMedium: true })],
    rule: "transport=usb",
    takes: "DISK_REFUSED",
    why: [/started from it/],
  },
  { name: "a stick, by name of its bus", disks: [sata(), stick()], rule: "transport=usb", takes: "/dev/sdc" },
  { name: "a USB disk, by permission", disks: [usbDisk()], rule: "only allow=usb", takes: "/dev/sdd" },
  { name: "an SD card, by permission", disks: [card()], rule: "allow=removable", takes: "/dev/mmcblk1" },
  {
    name: "a failing disk, by permission",
    disks: [sata({ failing: "old" })],
    rule: "allow=failing",
    takes: "/dev/sda",
  },
  {
    name: "a permission does not choose",
    disks: [sata(), usbDisk()],
    rule: "allow=usb",
    takes: "DISK_REFUSED",
    why: [/it fits/, /it fits/],
  },
  {
    name: "NVMe names that were swapped",
    disks: [nvme({ serial: "B" }), nvme({ path: "/dev/nvme1n1", serial: "A" })],
    rule: "serial=A",
    takes: "/dev/nvme1n1",
  },
  // Several paths to one disk.
  {
    name: "multipath that nobody assembled",
    disks: [sata({ wwn: "naa.6" }), sata({ path: "/dev/sdb", wwn: "naa.6" })],
    takes: "DISK_REFUSED",
    why: [/sdb has its WWN/, /sda has its WWN/],
  },
  {
    name: "multipath, one path by permission",
    disks: [sata({ wwn: "naa.6" }), sata({ path: "/dev/sdb", wwn: "naa.6" })],
    rule: "path=/dev/sda allow=multipath",
    takes: "/dev/sda",
  },
  {
    name: "an equal WWN and another size is another disk",
    disks: [sata({ wwn: "naa.6" }), stick({ wwn: "naa.6", sizeBytes: 8 * GB })],
    takes: "/dev/sda",
  },
  // What nobody expected on it.
  {
    name: "LUKS",
    disks: [sata({ holds: [held("ext4", "boot"), held("luks", "", 2)] })],
    takes: "DISK_UNEXPECTED",
    why: [/partition 2 is an encrypted volume \(LUKS\)/],
  },
  {
    name: "BitLocker",
    disks: [nvme({ holds: [held("bitlocker", "", 3)] })],
    takes: "DISK_UNEXPECTED",
    why: [/BitLocker/],
  },
  {
    name: "FileVault on APFS",
    disks: [nvme({ holds: [held("apfs-encrypted", "", 2)] })],
    takes: "DISK_UNEXPECTED",
    why: [/FileVault/],
  },
  {
    name: "FileVault on Core Storage",
    disks: [sata({ holds: [held("corestorage", "", 2)] })],
    takes: "DISK_UNEXPECTED",
    why: [/Core Storage/],
  },
  {
    name: "a RAID member that nobody assembled",
    disks: [sata({ holds: [held("raid", "", 1)] })],
    takes: "DISK_UNEXPECTED",
    why: [/member of a RAID/],
  },
  {
    name: "a controller's RAID member",
    disks: [sata({ holds: [held("raid", "", 0)] })],
    takes: "DISK_UNEXPECTED",
    why: [/the disk is a member of a RAID/],
  },
  { name: "a ZFS pool", disks: [sata({ holds: [held("zfs", "", 1)] })], takes: "DISK_UNEXPECTED", why: [/ZFS/] },
  { name: "LVM", disks: [sata({ holds: [held("lvm", "", 2)] })], takes: "DISK_UNEXPECTED", why: [/LVM/] },
  {
    name: "a Windows dynamic disk",
    disks: [sata({ holds: [held("ldm", "", 1)] })],
    takes: "DISK_UNEXPECTED",
    why: [/dynamic/],
  },
  {
    name: "LUKS, confirmed",
    disks: [sata({ serial: "C", holds: [held("luks", "", 2)] })],
    confirmed: ["C: 2 luks"],
    takes: "/dev/sda",
  },
  {
    name: "LUKS, and something else was confirmed",
    disks: [sata({ serial: "C", holds: [held("luks", "", 2)] })],
    confirmed: ["C: 1 luks"],
    takes: "DISK_UNEXPECTED",
    why: [/LUKS/],
  },
  {
    name: "LUKS, confirmed on another disk",
    disks: [sata({ serial: "C", holds: [held("luks", "", 2)] })],
    confirmed: ["D: 2 luks"],
    takes: "DISK_UNEXPECTED",
    why: [/LUKS/],
  },
  {
    name: "LUKS, by permission",
    disks: [sata({ holds: [held("luks", "", 2)] })],
    rule: "allow=encrypted",
    takes: "/dev/sda",
  },
  {
    name: "LUKS and LVM, one permission",
    disks: [sata({ holds: [held("luks", "", 2), held("lvm", "", 3)] })],
    rule: "allow=encrypted",
    takes: "DISK_UNEXPECTED",
    why: [/LVM/],
  },
  {
    name: "the same as after the last restore",
    disks: [sata({ serial: "C", holds: [held("ext4", "root")] })],
    known: 'C: 1 ext4 "root"',
    takes: "/dev/sda",
  },
  {
    name: "another label than last time",
    disks: [sata({ serial: "C", holds: [held("ext4", "thesis")] })],
    known: 'C: 1 ext4 "root"',
    takes: "DISK_UNEXPECTED",
    why: [/after the last restore/],
  },
  {
    name: "another disk than last time",
    disks: [sata({ serial: "D", holds: [held("ext4", "root")] })],
    known: 'C: 1 ext4 "root"',
    takes: "DISK_UNEXPECTED",
    why: [/after the last restore it was C/],
  },
  {
    name: "another label, confirmed",
    disks: [sata({ serial: "C", holds: [held("ext4", "new")] })],
    known: 'C: 1 ext4 "root"',
    confirmed: ['C: 1 ext4 "new"'],
    takes: "/dev/sda",
  },
  {
    name: "another label, by permission",
    disks: [sata({ serial: "C", holds: [held("ext4", "new")] })],
    known: 'C: 1 ext4 "root"',
    rule: "allow=changed",
    takes: "/dev/sda",
  },
  {
    name: "LUKS on the disk that is not chosen",
    disks: [sata(), second({ holds: [held("luks")] })],
    rule: "smallest",
    takes: "/dev/sda",
  },
];
