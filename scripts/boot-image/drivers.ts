import type { Architecture } from "./architecture.ts";
import type { DriverGroup } from "./driver-group.ts";
import { armNetworkDrivers, networkDrivers } from "./drivers-network.ts";
import { armStorageDrivers, storageDrivers } from "./drivers-storage.ts";

/** A kernel without one of these (as a module or built in) makes a boot image that cannot do its work. */
export const essentialModules = [
  ...["virtio_pci", "virtio_blk", "virtio_net", "virtio_scsi", "ahci", "nvme", "sd_mod"],
  ...["e1000e", "igb", "r8169", "tg3", "xhci_pci", "usb_storage", "8021q"],
  ...["ext4", "vfat", "hfsplus", "nls_utf8", "nls_cp437", "fuse", "efivarfs", "loop"],
] as const;

const systemDrivers: readonly DriverGroup[] = [
  {
    title: "USB and keyboards",
    drivers: {
      xhci_pci: "USB 3",
      xhci_hcd: "USB 3",
      ehci_hcd: "USB 2",
      ehci_pci: "USB 2",
      ohci_hcd: "USB 1",
      ohci_pci: "USB 1",
      uhci_hcd: "USB 1, Intel and VIA",
      usbhid: "keyboards",
      hid: "keyboards",
      hid_generic: "keyboards",
      hid_apple: "Apple's keyboards",
      evdev: "keys and buttons",
      thunderbolt: "what Macs and docks have their adapters on",
    },
  },
  {
    title: "File systems",
    drivers: {
      ext4: "Linux, also ext2 and ext3",
      xfs: "Linux",
      btrfs: "Linux",
      vfat: "EFI partitions",
      exfat: "sticks and cards",
      ntfs3: "Windows, where the kernel has it",
      hfs: "Mac OS Standard",
      hfsplus: "Mac OS Extended",
      fuse: "ntfs-3g",
      loop: "files as disks",
      efivarfs: "the firmware's boot entries",
      nls_utf8: "file names",
      nls_cp437: "file names",
      nls_cp850: "file names",
      nls_ascii: "file names",
      nls_iso8859_1: "file names",
      crc32c_generic: "checksums of ext4, XFS, btrfs",
      crc32c_intel: "the same, fast",
      crc32_pclmul: "checksums",
      crct10dif_pclmul: "checksums",
      xxhash_generic: "checksums of btrfs",
      blake2b_generic: "checksums of btrfs",
    },
  },
  {
    title: "Virtual machines and the clock",
    drivers: {
      virtio_rng: "random numbers",
      virtio_console: "console",
      hv_vmbus: "Hyper-V",
      hv_utils: "Hyper-V",
      hyperv_keyboard: "Hyper-V",
      hid_hyperv: "Hyper-V",
      rtc_cmos: "the clock of PCs",
    },
  },
];

/** What arm64 boards have between the processor and everything else. */
const boardDrivers: readonly DriverGroup[] = [
  {
    title: "Boards with arm64",
    drivers: {
      pcie_brcmstb: "Raspberry Pi 4",
      nvmem_rmem: "Raspberry Pi",
      clk_raspberrypi: "Raspberry Pi",
      reset_raspberrypi: "Raspberry Pi",
      gpio_regulator: "power",
      fixed: "power",
      xhci_plat_hcd: "USB without PCI",
      dwc2: "USB, Raspberry Pi",
      dwc3: "USB, Synopsys",
      "drivers/phy/": "the chips behind USB, SATA and PCI",
    },
  },
];

/** Every driver of the boot image, by what it is for. Not every kernel has all of them. */
export function driversFor(architecture: Architecture): readonly DriverGroup[] {
  const all = [...networkDrivers, ...storageDrivers, ...systemDrivers];
  return architecture === "arm64" ? [...all, ...armNetworkDrivers, ...armStorageDrivers, ...boardDrivers] : all;
}

/** Module names, or folders below "kernel/" that end in "/". */
export function modulesFor(architecture: Architecture): readonly string[] {
  return driversFor(architecture).flatMap(({ drivers }) => Object.keys(drivers));
}
