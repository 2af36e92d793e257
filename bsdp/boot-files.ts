import type { NetBootImage } from "./net-boot-image.ts";

/** The kinds of machine that there is a loader for. */
export type Platform = "bios" | "x64" | "ia32" | "arm64";

/** What there is to boot, and where: the same for every client. */
export type BootFiles = {
  /** Port of our HTTP server, on the address that the client reached. */
  readonly httpPort: number;
  /** TFTP path of the first loader; also below `/boot/` by HTTP. A platform that is missing gets no offer. */
  readonly loaders: Readonly<Partial<Record<Platform, string>>>;
  /**
   * As `loaders`, for machines with Secure Boot: programs that their firmware trusts. The chain asks the server what
   * this machine boots, so it starts the machine's own disk, too.
   */
  readonly secureLoaders: Readonly<Partial<Record<Platform, string>>>;
  /** As `loaders`, by architecture (option 93): goes before the tables by platform. Empty text: no offer. */
  readonly architectureLoaders?: Readonly<Record<number, string>>;
  /** True when the files that a Raspberry Pi's own boot program asks for are there. Otherwise it gets no offer. */
  readonly hasRaspberryPi?: boolean;
  /**
   * TFTP path of the program that starts the machine's own disk. For firmware that waits for minutes when it gets no
   * boot data (OVMF 2022.11: 60 s for IPv4, then 63 s for IPv6). A platform that is missing gets no boot data.
   */
  readonly diskLoaders: Readonly<Partial<Record<Platform, string>>>;
  /** Boot images for Macs (BSDP), the most useful first. Empty: Macs get no answer. */
  readonly macImages: readonly NetBootImage[];
  /**
   * NetBoot bundles of the site (boot/nbi-*.ts). They are not ours and are offered to Macs that nothing is ordered
   * for: a Mac with an order is to find nothing but the agent.
   */
  readonly macBundles?: readonly NetBootImage[];
  /** BSDP server priority, 0 to 65535; Macs prefer the highest. */
  readonly macPriority: number;
};

/** Where the boot image puts its loaders: iPXE, and GRUB where there is no iPXE for the platform. */
export const standardLoaders: BootFiles["loaders"] = {
  bios: "undionly.kpxe",
  x64: "x64/snponly.efi",
  ia32: "ia32/grub.efi",
  arm64: "arm64/grub.efi",
};

/** Where the boot image puts what starts with Secure Boot: shim, which starts the signed GRUB beside it. */
export const standardSecureLoaders: BootFiles["secureLoaders"] = {
  x64: "x64/shimx64.efi",
  arm64: "arm64/shimaa64.efi",
};

/**
 * Where the boot image puts what starts the machine's own disk. GRUB asks what
 * to boot and needs no other program for that.
 */
export const standardDiskLoaders: BootFiles["diskLoaders"] = {
  x64: "x64/disk.efi",
  ia32: "ia32/grub.efi",
  arm64: "arm64/grub.efi",
};

/** A file that is there when a Raspberry Pi can be started: the second stage of its boot program. */
export const RASPBERRY_PI_FILES = "rpi/start4.elf";

/** The longest text that fits the header's `file` field with its NUL. */
export const MAXIMUM_FILE_BYTES = 127;

/** True for a path in the form that firmware can take: forward slashes, none in front, never out of the directory. */
export function isLoaderPath(path: string): boolean {
  return (
    /^[A-Za-z0-9._/-]+$/.test(path) &&
    path.length <= MAXIMUM_FILE_BYTES &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  );
}

/** Where iPXE gets its script. `mac` is passed on so that the answer can differ by machine. */
export function scriptUrl(address: string, httpPort: number, mac: string): string {
  return `http://${address}:${httpPort}/boot/script.ipxe?mac=${mac}`;
}

/** Where a firmware with UEFI HTTP boot gets a loader. */
export function loaderUrl(address: string, httpPort: number, loader: string): string {
  return `http://${address}:${httpPort}/boot/${loader}`;
}
