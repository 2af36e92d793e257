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
   * TFTP path of the program that starts the machine's own disk. For firmware that waits for minutes when it gets no
   * boot data (OVMF 2022.11: 60 s for IPv4, then 63 s for IPv6). A platform that is missing gets no boot data.
   */
  readonly diskLoaders: Readonly<Partial<Record<Platform, string>>>;
  /** Boot images for Macs (BSDP), the most useful first. Empty: Macs get no answer. */
  readonly macImages: readonly NetBootImage[];
  /** BSDP server priority, 0 to 65535; Macs prefer the highest. */
  readonly macPriority: number;
};

/** Where the boot image puts its loaders. */
export const standardLoaders: BootFiles["loaders"] = {
  bios: "undionly.kpxe",
  x64: "x64/snponly.efi",
  ia32: "ia32/snponly.efi",
  arm64: "arm64/snponly.efi",
};

/** Where the boot image puts what starts the machine's own disk. */
export const standardDiskLoaders: BootFiles["diskLoaders"] = { x64: "x64/disk.efi" };

/** The longest text that fits the header's `file` field with its NUL. */
export const MAXIMUM_FILE_BYTES = 127;

/** Where iPXE gets its script. `mac` is passed on so that the answer can differ by machine. */
export function scriptUrl(address: string, httpPort: number, mac: string): string {
  return `http://${address}:${httpPort}/boot/script.ipxe?mac=${mac}`;
}

/** Where a firmware with UEFI HTTP boot gets a loader. */
export function loaderUrl(address: string, httpPort: number, loader: string): string {
  return `http://${address}:${httpPort}/boot/${loader}`;
}
