import type { Architecture } from "./architecture.ts";
import { diskLoaderPackages } from "./disk-loader.ts";

/** What goes into the boot image besides its drivers (drivers.ts). Libraries follow by themselves. */

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
  "dosfstools",
  "ntfs-3g",
  "xfsprogs",
  "btrfs-progs",
  "kexec-tools",
  "efibootmgr",
  "smartmontools",
  "hdparm",
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
  // /init gives the zeros in Node back to the machine.
  "fallocate",
  ...["e2fsck", "resize2fs", "tune2fs", "dumpe2fs", "mke2fs", "mkfs.ext4", "e2label", "chattr"],
  ...["mkfs.fat", "mkfs.vfat", "fsck.fat", "fsck.vfat", "fatlabel"],
  ...["ntfs-3g", "mount.ntfs-3g", "ntfs-3g.probe", "ntfsfix", "ntfsresize", "ntfsclone", "ntfsinfo", "ntfslabel"],
  ...["xfs_db", "xfs_growfs", "btrfs", "btrfstune"],
  ...["efibootmgr", "kexec"],
  // Whether a disk fails, and that it erases itself.
  ...["smartctl", "hdparm"],
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
