import type { Logger } from "pino";
import type { BootFiles } from "../../bsdp/boot-files.ts";
import type { DhcpOption } from "../../bsdp/dhcp-packet.ts";
import type { Lease } from "../../bsdp/lease.ts";
import type { BootPolicy } from "../../bsdp/policy.ts";
import type { BootTrace } from "../boot-trace/boot-trace.ts";
import type { HostBootSettings } from "../hosts/host-boot-settings.ts";
import type { BootClients } from "./boot-clients.ts";

/** One network interface that we answer on. */
export type DhcpInterface = { readonly name: string; readonly address: string; readonly netmask: string };

/** Where leases survive a restart. One row an address; saving replaces it. */
export type LeaseStore = {
  load(): Promise<readonly Lease[]>;
  save(lease: Lease): Promise<void>;
  remove(addresses: readonly string[]): Promise<void>;
};

export type MacSettings = {
  /** The image that a Mac is bound to, set by a person. */
  boundImageOf?(mac: string): Promise<HostBootSettings["netBootImage"]>;
  /** The name that an image with a root path gives its computer. */
  nameOf?(mac: string): Promise<string | undefined>;
  /** How many machines load from us now: each lowers our priority by one, so that Macs spread over several servers. */
  activeTransfers?(): number;
  /** A Mac that has looked for so few seconds is left to other servers. Default 0. */
  readonly minimumSeconds?: number;
};

/** What `startDhcp` needs to know. */
export type DhcpSettings = {
  readonly interfaces: readonly DhcpInterface[];
  /**
   * `proxy` adds boot data beside another DHCP server, `full` is the DHCP server. `proxy-4011` leaves port 67 to a DHCP
   * server on this machine, which must say itself that there is a boot server (option 60 `PXEClient`).
   */
  readonly mode: "proxy" | "proxy-4011" | "full";
  /** Asked for every machine that wants boot data; slower than one second counts as "nothing". */
  policyOf(mac: string): Promise<BootPolicy>;
  readonly bootFiles: BootFiles;
  /** Full mode only: which addresses are given out, and with what. */
  readonly full?: {
    /**
     * Ranges such as "10.77.0.50-10.77.0.99"; at least one in the network of every interface, and for networks behind
     * relays with their prefix length: "10.1.0.50-10.1.0.99/24 via 10.1.0.1".
     */
    readonly pools: readonly string[];
    /** Default router; none when absent. */
    readonly router?: string;
    readonly dns?: readonly string[];
    readonly leaseSeconds: number;
    /** Fixed addresses: hardware address (lower case, colons) to IPv4 address. Asked for every packet. */
    reservations?(): Promise<ReadonlyMap<string, string>>;
    /** Start where another DHCP server answers, and say nothing to clients that are not ours. */
    readonly allowsOther?: boolean;
    /** Whether an address is looked at before it is offered. Default true. */
    readonly checksAddresses?: boolean;
    /** Further options (`dhcpOptions` of options.ts makes them from the configuration). */
    readonly options?: readonly DhcpOption[];
    readonly leases: LeaseStore;
    /** How long to listen for another DHCP server before starting; 0 switches the probe off. Default 4000. */
    readonly probeMs?: number;
  };
  /** What only Macs are asked and told (BSDP). */
  readonly macs?: MacSettings;
  /** Is told of every packet that concerns booting. */
  readonly trace?: BootTrace;
  /** Learns which machine has which address. */
  readonly clients?: BootClients;
  /** Hears of what people should know: a conflict, a loop, another server. It goes into the events. */
  tell?(event: DhcpEvent): void;
  readonly log: Logger;
  /** The time of day in milliseconds (`Date.now`): leases outlive the process. */
  now(): number;
};

/** Something that happened on the network and that nobody ordered. */
export type DhcpEvent = {
  readonly kind: "dhcp.conflict" | "dhcp.loop" | "dhcp.other-server";
  /** The machine that it is about. */
  readonly mac?: string;
  readonly data: Readonly<Record<string, string | number | boolean | undefined>>;
};

/** How many packets were answered, and dropped by reason, since the start. */
export type DhcpCounters = {
  readonly answered: Readonly<Record<string, number>>;
  readonly dropped: Readonly<Record<string, number>>;
};

/** Another server that was seen, as the status shows it. */
export type SeenServer = {
  readonly interface: string;
  readonly server: string;
  readonly givesAddresses: boolean;
  /** What it tells machines to boot; null when it says nothing about that. */
  readonly bootFile: string | null;
  readonly lastSeenMs: number;
};

export type DhcpServer = {
  readonly counters: DhcpCounters;
  /** Other servers that were seen on the networks. */
  readonly otherServers: readonly SeenServer[];
  /** Answers on one more interface. @throws {Fault} as at the start */
  add(on: DhcpInterface): Promise<void>;
  /** Answers there no more. */
  remove(name: string): Promise<void>;
  stop(): Promise<void>;
};
