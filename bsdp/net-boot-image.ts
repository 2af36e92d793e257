/**
 * What the booted system is given to go on with, the bundle's `Type`.
 *
 * - `BootFileOnly`: nothing but its first program; for Linux, GRUB and iPXE.
 * - `HTTP`, `NFS`: a root path in option 17, and the machine's name.
 *
 * `Classic` is Mac OS 9 and not served.
 */
export type NetBootType = "BootFileOnly" | "HTTP" | "NFS";

/**
 * Where the booted system finds its root image. `text` is given whole; the
 * others are completed with the address of the server that the client uses.
 */
export type NetBootRoot =
  | { readonly form: "text"; readonly text: string }
  /** `http://<server>[:port]<path>`; the path begins with "/" and is %-escaped already. */
  | { readonly form: "http"; readonly path: string; readonly port?: number }
  /** `nfs:<server>:<share>:<file>`; both as they are on the disk, colons are escaped when it is written. */
  | { readonly form: "nfs"; readonly share: string; readonly file: string };

/**
 * One boot image as Macs see it: its place in the picker, who may see it, and
 * what is sent when it is chosen. Only `index`, `name` and `bootFile` must be
 * given; this is the shape of an NBImageInfo.plist with its defaults.
 */
export type NetBootImage = {
  /** 1 to 4095: this server's own. From 4096: the same image on every server. */
  readonly index: number;
  /** Shown in the boot picker. */
  readonly name: string;
  /** TFTP path of the EFI program, at most 127 bytes. */
  readonly bootFile: string;
  /** Instead of `bootFile`, by architecture ("ppc"); every Intel Mac says "i386". */
  readonly bootFiles?: Readonly<Record<string, string>>;
  /** Instead of `bootFile`, for Macs with 32-bit EFI (mac-models.ts). Absent: it runs there, too. */
  readonly bootFile32?: string;
  /** Instead of all of these, by model ("iMac14,3"): some models need a booter of their own. */
  readonly modelBootFiles?: Readonly<Record<string, string>>;
  /** Default `BootFileOnly`. */
  readonly type?: NetBootType;
  /** 0 to 127; default 1, Mac OS X: the kind that the boot picker draws. */
  readonly kind?: number;
  /** Default true: an installer, so no shadow file. */
  readonly isInstall?: boolean;
  readonly isDefault?: boolean;
  /** Hidden from clients that do not ask for its attributes. Default: only kind 3 is. */
  readonly isFilterOnly?: boolean;
  /** Default `["i386"]`, which every Intel Mac says, 32 and 64 bit alike. */
  readonly architectures?: readonly string[];
  /** Models that may see it, for example "iMac14,3"; absent or empty: all. */
  readonly enabledSystemIds?: readonly string[];
  readonly disabledSystemIds?: readonly string[];
  /** Lower case with colons; absent or empty: all. */
  readonly enabledMacs?: readonly string[];
  readonly disabledMacs?: readonly string[];
  /** Address of another server that has the files; default ours. */
  readonly loadBalanceServer?: string;
  /** Option 17; absent for a boot file that needs none. */
  readonly root?: NetBootRoot;
};
