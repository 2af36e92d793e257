import { diskLoaderPackages } from "./disk-loader.ts";

/** What goes into the boot image. Libraries, and modules that these modules need, follow by themselves. */

/** Debian packages that hold the kernel, the loaders and the programs. */
export const packages = [
  "linux-image-amd64",
  "ipxe",
  "busybox-static",
  "libc6",
  "libstdc++6",
  "libgcc-s1",
  "util-linux",
  "fdisk",
  "e2fsprogs",
  "dosfstools",
  "ntfs-3g",
  "partclone",
  "efibootmgr",
  ...diskLoaderPackages,
] as const;

/** Firmware of wired cards: taken where the machine's apt offers it (Debian's non-free-firmware). */
export const firmwarePackages = [
  "firmware-realtek",
  "firmware-bnx2",
  "firmware-bnx2x",
  "firmware-misc-nonfree",
] as const;

/** Which packages are fetched because another one depends on them: libraries and the kernel itself. */
export const followedDependency = /^(lib|zlib1g|linux-image-)/;

/** Programs, by name. What is a link in Debian (mkfs.vfat ► mkfs.fat) stays a link. busybox has the rest. */
export const programs = [
  "busybox",
  ...["sfdisk", "blkdiscard", "wipefs", "blockdev", "lsblk", "blkid", "partx", "findmnt"],
  ...["e2fsck", "resize2fs", "tune2fs", "dumpe2fs", "mke2fs", "mkfs.ext4", "e2label"],
  ...["mkfs.fat", "mkfs.vfat", "fsck.fat", "fsck.vfat", "fatlabel"],
  ...["ntfs-3g", "mount.ntfs-3g", "ntfs-3g.probe", "ntfsfix", "ntfsresize", "ntfsclone", "ntfsinfo", "ntfslabel"],
  ...["partclone.extfs", "partclone.ext2", "partclone.ext3", "partclone.ext4"],
  ...["partclone.fat", "partclone.fat12", "partclone.fat16", "partclone.fat32", "partclone.vfat", "partclone.exfat"],
  ...["partclone.ntfs", "partclone.hfsp", "partclone.hfs+", "partclone.hfsplus", "partclone.apfs"],
  ...["partclone.btrfs", "partclone.xfs", "partclone.dd", "partclone.info", "partclone.chkimg", "partclone.restore"],
  "efibootmgr",
] as const;

/** A kernel without one of these (as a module or built in) makes a boot image that cannot do its work. */
export const essentialModules = [
  ...["virtio_pci", "virtio_blk", "virtio_net", "virtio_scsi", "ahci", "nvme", "sd_mod"],
  ...["e1000e", "igb", "r8169", "tg3", "xhci_pci", "usb_storage"],
  ...["ext4", "vfat", "hfsplus", "nls_utf8", "nls_cp437", "fuse", "efivarfs", "loop"],
] as const;

/** Module names, or folders below "kernel/" that end in "/". Not every kernel version has all of them. */
export const modules = [
  ...essentialModules,
  // Virtual machines.
  ...["virtio_rng", "virtio_console", "virtio_mmio", "vmw_pvscsi", "vmxnet3", "xen_blkfront", "xen_netfront"],
  ...["hv_vmbus", "hv_storvsc", "hv_netvsc", "hv_utils", "hyperv_keyboard", "hid_hyperv"],
  // Disks and their controllers.
  ...["drivers/ata/", "vmd", "sr_mod", "ses", "scsi_transport_sas"],
  ...["mpt3sas", "mptsas", "mptspi", "megaraid_sas", "megaraid_mbox", "aacraid", "hpsa", "smartpqi", "mpi3mr"],
  ...["isci", "mvsas", "arcmsr", "sym53c8xx", "am53c974"],
  ...["mmc_block", "sdhci", "sdhci_pci", "sdhci_acpi", "rtsx_pci", "rtsx_pci_sdmmc", "rtsx_usb", "rtsx_usb_sdmmc"],
  ...["dm_mod", "raid0", "raid1", "raid10"],
  // USB, keyboards, and the bus that Macs have their adapters on.
  ...["xhci_hcd", "ehci_hcd", "ehci_pci", "ohci_hcd", "ohci_pci", "uhci_hcd", "uas"],
  ...["usbhid", "hid", "hid_generic", "hid_apple", "evdev", "thunderbolt"],
  // Wired network cards: first what is on desktop boards, then servers, then old ones.
  ...["e1000", "igc", "igbvf", "8139cp", "8139too", "sky2", "skge", "forcedeth", "jme", "alx"],
  ...["atl1", "atl1c", "atl1e", "atl2", "b44", "bnx2", "e100", "stmmac", "dwmac_intel", "atlantic"],
  ...["ixgbe", "ixgbevf", "i40e", "iavf", "bnx2x", "bnxt_en", "be2net", "mlx4_en", "ena", "gve", "amd_xgbe"],
  ...["pcnet32", "tulip", "dmfe", "uli526x", "ne2k_pci", "via_rhine", "via_velocity", "sis900", "sis190"],
  ...["3c59x", "natsemi", "sungem", "r6040", "lan743x"],
  "drivers/net/phy/",
  // Network adapters on USB.
  ...["asix", "ax88179_178a", "r8152", "r8153_ecm", "cdc_ether", "cdc_ncm", "cdc_eem", "smsc75xx", "smsc95xx"],
  ...["lan78xx", "aqc111", "mcs7830", "dm9601", "rtl8150", "pegasus", "kaweth", "sr9700", "sr9800", "rndis_host"],
  // File systems with their names' character sets and checksums.
  ...["hfs", "xfs", "btrfs", "exfat", "ntfs3", "isofs", "squashfs", "overlay"],
  ...["nls_ascii", "nls_iso8859_1", "nls_cp850"],
  ...["crc32c_generic", "crc32c_intel", "crc32_pclmul", "crct10dif_pclmul", "xxhash_generic", "blake2b_generic"],
  ...["rtc_cmos"],
] as const;

/**
 * Loaders, as TFTP and BSDP call them, and where Debian's package ipxe has them. Debian makes snponly.efi for
 * x86-64 alone, and so is our kernel.
 */
export const loaders = [
  { name: "undionly.kpxe", from: "usr/lib/ipxe/undionly.kpxe" },
  { name: "x64/snponly.efi", from: "usr/lib/ipxe/snponly.efi" },
  { name: "nbi/booter", from: "usr/lib/ipxe/snponly.efi" },
] as const;
