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
  /** 0 to 127; default 1, Mac OS X: the kind that the boot picker draws. */
  readonly kind?: number;
  /** Default true: an installer, so no shadow file. */
  readonly isInstall?: boolean;
  readonly isDefault?: boolean;
  /** Hidden from clients that do not ask for its attributes. */
  readonly isFilterOnly?: boolean;
  /** Default `["i386"]`, which every Intel Mac says, 32 and 64 bit alike. */
  readonly architectures?: readonly string[];
  /** Models that may see it, for example "iMac14,3"; absent or empty: all. */
  readonly enabledSystemIds?: readonly string[];
  readonly enabledMacs?: readonly string[];
  readonly disabledMacs?: readonly string[];
  /** Another TFTP server's address; default ours. */
  readonly loadBalanceServer?: string;
  /** Option 17 for Apple's own loaders; absent for a boot file that needs none. */
  readonly rootPath?: string;
};
