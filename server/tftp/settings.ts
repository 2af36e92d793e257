import type { Logger } from "pino";
import type { BootRoot } from "../boot/files.ts";
import type { BootTrace } from "../boot-trace/boot-trace.ts";

export type TftpSettings = {
  /** One listening socket each. Replies leave from the address that was asked. */
  readonly addresses: readonly string[];
  /** 69; 0 takes a free port, the same for all addresses. */
  readonly port: number;
  /** Only files below this directory are served, and none is ever written. */
  readonly root: string;
  /** Is told of every request. */
  readonly trace?: BootTrace;
  readonly log: Logger;
  /** Milliseconds; only differences are used. */
  now(): number;
  /** Largest block in bytes; default 1468, less where the interface's MTU is smaller. */
  readonly maxBlockSize?: number;
  /** Most blocks per acknowledgement; default 16, 0 never negotiates a window. */
  readonly maxWindowSize?: number;
  /** The block number after 65535; default 0. */
  readonly wrapTo?: 0 | 1;
  /** Transfers at the same time, default 200; whoever comes beyond is not answered and asks again. */
  readonly maxTransfers?: number;
  /** Of one client's address, default 8. */
  readonly maxTransfersPerClient?: number;
  /** Networks that are served besides those our addresses are in, "10.2.0.0/16". */
  readonly networks?: readonly string[];
  /** Whether a client from another network was seen by the DHCP side, so that a relay brought it here. */
  isKnownClient?(clientAddress: string): boolean;
  /** Further folders, each for the names below its prefix. */
  readonly roots?: readonly BootRoot[];
  /** Content that is made for the client: asked for a normalised name ("grub/grub.cfg") before the disk is. */
  generate?(
    name: string,
    at: { readonly clientAddress: string; readonly serverAddress: string },
  ): Promise<Uint8Array | undefined>;
  /** What is set for this client alone; it can lower the limits, not raise them. Asked for every request. */
  settingsFor?(clientAddress: string): Promise<TftpClientSettings | undefined>;
  /** For tests: do as if the optional package were not installed. */
  readonly withoutKoffi?: boolean;
};

/** Limits for one client that mishandles what others bear. */
export type TftpClientSettings = {
  /** Largest block in bytes. */
  readonly blockBytes?: number;
  /** Most blocks per acknowledgement; 0 never negotiates a window. */
  readonly windowBlocks?: number;
  /** The block number after 65535. */
  readonly wrapsTo?: 0 | 1;
};

/** Since the start. */
export type TftpCounters = {
  requests: number;
  served: number;
  probes: number;
  failed: number;
  refused: number;
  malformed: number;
  /** Beyond the limits; not answered, because the client asks again. */
  overLimit: number;
  /** From networks that are not served; not answered. */
  offLink: number;
};
