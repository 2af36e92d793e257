/** One packet that concerns booting, or one file: who asked what, and what came of it. */
export type BootTraceEntry = {
  /** Lower case with colons. Where only the address is known, `BootTraceLog` looks it up. */
  readonly mac?: string;
  /** The client's address, when it has one. */
  readonly client?: string;
  readonly service: "dhcp" | "bsdp" | "pxe" | "tftp" | "http";
  /** "DISCOVER", "INFORM[LIST]", "x64/snponly.efi". */
  readonly asked: string;
  /** What we answered; absent when we did not. "sent" with `bytes` and `ms` in `detail` for a file. */
  readonly answered?: string;
  /** Why not, or why this: a sentence without its full stop. */
  readonly reason?: string;
  /** The machine wanted to boot from us and was not let, or could not. */
  readonly isRefusal?: boolean;
  /** "platform" is who it is in words; "is" the kind of client (`PxeClient.kind`, "mac"). */
  readonly detail?: Readonly<Record<string, string | number | boolean>>;
};

/** Where the boot services tell what they do. It must cost them nothing: `note` neither waits nor throws. */
export type BootTrace = { note(entry: BootTraceEntry): void };

/** An entry with its time and its place among the others. */
export type TracedEntry = BootTraceEntry & {
  /** Ascending, also over restarts of the server. */
  readonly id: number;
  readonly atMs: number;
  /** The first entry of the boot that it belongs to: all from one power-on of one machine have the same. */
  readonly boot?: number;
  /** So many identical ones came since the entry before it, the last of them at `atMs`. */
  readonly times?: number;
};
