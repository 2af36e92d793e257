import type { Architecture } from "./architecture.ts";
import { diskLoaderPackages } from "./disk-loader.ts";

/** What goes into the boot image. Libraries, and modules that these modules need, follow by themselves. */

/** Debian packages that hold the kernel, the loaders and the programs. */
export function packagesFor(architecture: Architecture): readonly string[] {
  return [
    `linux-image-${architecture}`,
    ...(architecture === "amd64" ? ["ipxe", ...diskLoaderPackages] : []),
    ...tools,
  ];
}

const tools = [
  "busybox-static",
  "libc6",
  "libstdc++6",
  "libgcc-s1",
  "util-linux",
  "fdisk",
  "e2fsprogs",
  "xfsprogs",
  "btrfs-progs",
  "dosfstools",
  "ntfs-3g",
  "partclone",
  "efibootmgr",
  "smartmontools",
  "hdparm",
  "nvme-cli",
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
  // A restored file system fills its disk, and gets a number of its own.
  ...["xfs_growfs", "xfs_db", "btrfs", "btrfstune"],
  ...["mkfs.fat", "mkfs.vfat", "fsck.fat", "fsck.vfat", "fatlabel"],
  ...["ntfs-3g", "mount.ntfs-3g", "ntfs-3g.probe", "ntfsfix", "ntfsresize", "ntfsclone", "ntfsinfo", "ntfslabel"],
  ...["partclone.extfs", "partclone.ext2", "partclone.ext3", "partclone.ext4"],
  ...["partclone.fat", "partclone.fat12", "partclone.fat16", "partclone.fat32", "partclone.vfat", "partclone.exfat"],
  ...["partclone.ntfs", "partclone.hfsp", "partclone.hfs+", "partclone.hfsplus", "partclone.apfs"],
  ...["partclone.btrfs", "partclone.xfs", "partclone.dd", "partclone.info", "partclone.chkimg", "partclone.restore"],
  "efibootmgr",
  // Whether a disk fails, and that it erases itself.
  ...["smartctl", "hdparm", "nvme"],
] as const;

/** A kernel without one of these (as a module or built in) makes a boot image that cannot do its work. */
export const essentialModules = [
  ...["virtio_pci", "virtio_blk", "virtio_net", "virtio_scsi", "ahci", "nvme", "sd_mod"],
  ...["e1000e", "igb", "r8169", "tg3", "xhci_pci", "usb_storage"],
  ...["ext4", "vfat", "hfsplus", "nls_utf8", "nls_cp437", "fuse", "efivarfs", "loop"],
] as const;

/** Module names, or folders below "kernel/" that end in "/". Not every kernel has all of them. */
export function modulesFor(architecture: Architecture): readonly string[] {
  return architecture === "arm64" ? [...modules, ...boardModules] : modules;
}

/** What an arm64 board's network card and disks stand behind: Raspberry Pi first, then servers and other boards. */
const boardModules = [
  ...["genet", "macb", "pcie_brcmstb", "sdhci_iproc", "bcm2835", "xhci_plat_hcd", "dwc2", "dwc3"],
  ...["nvmem_rmem", "clk_raspberrypi", "reset_raspberrypi", "gpio_regulator", "fixed"],
  ...["hns3", "hclge", "xgene_enet", "thunder_bgx", "nicvf", "fsl_dpaa2_eth", "fsl_enetc", "fec", "mvneta", "mvpp2"],
  ...["stmmac_platform", "dwmac_generic", "dwmac_rk", "dwmac_sun8i", "dwmac_meson8b", "dwmac_imx"],
  ...["ahci_platform", "sdhci_of_dwcmshc", "sdhci_of_arasan", "sdhci_cadence", "sdhci_esdhc_imx", "dw_mmc_rockchip"],
  ...["drivers/phy/", "drivers/net/mdio/"],
] as const;

const modules = [
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

/** A file beside the kernel: its name below the image's folder, and where a Debian package has it. */
export type LoaderFile = { readonly name: string; readonly from: string };

/** Loaders, as TFTP and BSDP call them, of Debian's package ipxe, which makes snponly.efi for x86-64 alone. */
export const ipxeLoaders: Readonly<Record<Architecture, readonly LoaderFile[]>> = {
  amd64: [
    { name: "undionly.kpxe", from: "usr/lib/ipxe/undionly.kpxe" },
    { name: "x64/snponly.efi", from: "usr/lib/ipxe/snponly.efi" },
    { name: "nbi/booter", from: "usr/lib/ipxe/snponly.efi" },
  ],
  arm64: [],
};

/** The release whose GRUB asks the right server: 2.06 (Debian 12) asks the DHCP server for what a proxy offered. */
export const grubSuite = "trixie";

const signedGrub = "usr/lib/grub";

/**
 * Loaders of Debian 13: what is signed for Secure Boot (shim by Microsoft, GRUB and kernel by Debian), GRUB for the
 * platforms that have no iPXE, and the memory test.
 */
export const grubLoaders: Readonly<
  Record<Architecture, { readonly packages: readonly string[]; readonly files: readonly LoaderFile[] }>
> = {
  amd64: {
    packages: ["grub-efi-amd64-signed", "grub-efi-ia32-unsigned", "memtest86+", "shim-signed"],
    files: [
      { name: "x64/shimx64.efi", from: "usr/lib/shim/shimx64.efi.signed" },
      { name: "x64/grubx64.efi", from: `${signedGrub}/x86_64-efi-signed/grubnetx64.efi.signed` },
      { name: "ia32/grub.efi", from: `${signedGrub}/i386-efi/monolithic/grubnetia32.efi` },
      { name: "memtest.bin", from: "boot/memtest86+x64.bin" },
      { name: "x64/memtest.efi", from: "boot/memtest86+x64.efi" },
    ],
  },
  arm64: {
    packages: ["grub-efi-arm64-signed", "shim-signed"],
    files: [
      { name: "shimaa64.efi", from: "usr/lib/shim/shimaa64.efi.signed" },
      // shim looks for this name; whoever boots without Secure Boot is given the other one.
      { name: "grubaa64.efi", from: `${signedGrub}/arm64-efi-signed/grubnetaa64.efi.signed` },
      { name: "grub.efi", from: `${signedGrub}/arm64-efi-signed/grubnetaa64.efi.signed` },
    ],
  },
};
