import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parsePool } from "../../bsdp/address-pool.ts";
import {
  type BootFiles,
  RASPBERRY_PI_FILES,
  standardDiskLoaders,
  standardLoaders,
  standardSecureLoaders,
} from "../../bsdp/boot-files.ts";
import { efi32Models, models32Bit } from "../../bsdp/mac-models.ts";
import type { NetBootImage } from "../../bsdp/net-boot-image.ts";
import { NbiLibrary, type NbiLibraryOptions } from "../../server/boot/nbi-library.ts";
import type { Config, ConfigValues } from "../../server/config/config.ts";
import { startDhcp } from "../../server/dhcp/dhcp.ts";
import { dhcpOptions } from "../../server/dhcp/options.ts";
import type { DhcpServer, DhcpSettings, LeaseStore } from "../../server/dhcp/settings.ts";
import type { EventLog } from "../../server/events.ts";
import type { ServedNetwork } from "../../server/hosts/host-boot-rules.ts";
import type { HostBoot } from "../../server/hosts/host-boot-settings.ts";
import type { Hosts } from "../../server/hosts/hosts.ts";
import type { InterfaceWatch } from "../../server/network/interface-watch.ts";
import type { ServedInterface } from "../../server/network/interfaces.ts";

/** The EFI program that Macs start; where the boot image puts it. */
const MAC_BOOTER = "nbi/booter";

/**
 * What there is to boot. Looked up for every answer, so that a boot image that
 * is built while the server runs needs no restart: a platform without a loader gets no offer.
 */
export function bootFilesOf(
  values: ConfigValues,
  {
    bootDirectory,
    httpPort,
    bundles,
  }: { bootDirectory: string; httpPort: number; bundles: Pick<NbiLibrary, "images"> },
): BootFiles {
  const isThere = (name: string) => existsSync(join(bootDirectory, name));
  const present = (loaders: BootFiles["loaders"]) =>
    Object.fromEntries(Object.entries(loaders).filter(([, name]) => isThere(name)));
  return {
    httpPort,
    get loaders() {
      return present(standardLoaders);
    },
    get secureLoaders() {
      return present(standardSecureLoaders);
    },
    get hasRaspberryPi() {
      return isThere(RASPBERRY_PI_FILES);
    },
    get diskLoaders() {
      return present(standardDiskLoaders);
    },
    get macImages() {
      if (!isThere(MAC_BOOTER)) return [];
      return [{ ...ownMacImage(values), ...bootersFor32Bit(isThere) }];
    },
    get macBundles() {
      return bundles.images;
    },
    get architectureLoaders() {
      return values["boot.loaders"];
    },
    macPriority: values["bsdp.priority"],
  };
}

/** The agent, as Macs see it. */
function ownMacImage(values: ConfigValues): NetBootImage {
  return { index: values["bsdp.index"], name: values["bsdp.name"], bootFile: MAC_BOOTER, isDefault: true };
}

/**
 * What Macs with 32-bit EFI are given. The agent's kernel is a 64-bit one: Macs whose processor cannot run it do not
 * see the image, and without a 32-bit loader none of these do.
 */
function bootersFor32Bit(isThere: (name: string) => boolean): Partial<NetBootImage> {
  const loader = standardLoaders.ia32;
  if (loader === undefined || !isThere(loader)) return { disabledSystemIds: efi32Models };
  return { bootFile32: loader, disabledSystemIds: models32Bit };
}

/** The NetBoot bundles in other folders, or in those of `bsdp.nbi` and the data directory's own; not yet read. */
export function bundlesOf(
  { values, dataDir }: Pick<Config, "values" | "dataDir">,
  { folders, ...options }: Pick<NbiLibraryOptions, "httpPort" | "now" | "log"> & { folders?: readonly string[] },
): NbiLibrary {
  return new NbiLibrary({
    folders: (folders ?? values["bsdp.nbi"]).map((folder) => resolve(folder)),
    ...(folders === undefined ? { ownFolder: join(dataDir, "nbi") } : {}),
    otherImage: ownMacImage(values),
    ...options,
  });
}

type DhcpWiring = Pick<DhcpSettings, "policyOf" | "log" | "now"> &
  Required<Pick<DhcpSettings, "trace" | "clients">> & {
    readonly interfaces: readonly ServedInterface[];
    readonly bootFiles: BootFiles;
    readonly hostBoot: Pick<HostBoot, "of" | "addresses">;
    readonly hosts: Pick<Hosts, "nameOfMac" | "idOfMac">;
    readonly leases: LeaseStore;
    readonly events: EventLog;
    readonly watch: Pick<InterfaceWatch, "follow">;
    readonly activeTransfers: () => number;
    /** Hears why something could not be written down. */
    readonly cannotTell: (error: unknown) => void;
  };

/** Answers DHCP, PXE and BSDP on every interface that is served; undefined where that is switched off. */
export async function dhcpOf(
  values: ConfigValues,
  parts: AsyncDisposableStack,
  wiring: DhcpWiring,
): Promise<DhcpServer | undefined> {
  const mode = values["network.dhcp"];
  if (mode === "off") return undefined;
  const { interfaces, bootFiles, hostBoot, hosts, leases, events, watch, activeTransfers, cannotTell } = wiring;
  const { policyOf, trace, clients, log, now } = wiring;
  const server = await startDhcp({
    interfaces,
    mode,
    policyOf,
    bootFiles,
    macs: {
      boundImageOf: async (mac) => (await hostBoot.of(mac)).netBootImage,
      nameOf: async (mac) => hosts.nameOfMac(mac),
      activeTransfers,
      minimumSeconds: values["bsdp.minimum_seconds"],
    },
    ...(mode === "full" ? { full: fullDhcpOf(values, { leases, hostBoot }) } : {}),
    trace,
    clients,
    tell: ({ kind, mac, data }) => {
      const write = async () => {
        const hostId = mac === undefined ? undefined : await hosts.idOfMac(mac);
        await events.change(({ record }) => record({ kind, hostId, data: { ...data, ...(mac && { mac }) } }));
      };
      void write().catch(cannotTell);
    },
    log,
    now,
  });
  parts.defer(() => server.stop());
  const add = (on: ServedInterface) => server.add(on);
  watch.follow({ name: "dhcp", add, remove: ({ name }) => server.remove(name) });
  return server;
}

/** The settings of our own DHCP server. @throws {Fault} for an option that does not exist or a wrong value */
export function fullDhcpOf(
  values: ConfigValues,
  { leases, hostBoot }: { leases: LeaseStore; hostBoot: Pick<HostBoot, "addresses"> },
): NonNullable<DhcpSettings["full"]> {
  const router = values["network.router"];
  return {
    pools: values["network.pool"] ?? [],
    ...(router === undefined ? {} : { router }),
    dns: values["network.dns"],
    leaseSeconds: values["network.lease_minutes"] * 60,
    options: dhcpOptions(values["network.options"]),
    leases,
    reservations: () => hostBoot.addresses(),
    allowsOther: values["network.allow_other_dhcp"],
  };
}

/** The networks in which our own DHCP server gives out addresses; none in the other modes. */
export function leaseNetworksOf(values: ConfigValues, interfaces: readonly ServedInterface[]): ServedNetwork[] {
  if (values["network.dhcp"] !== "full") return [];
  const behindRelays = (values["network.pool"] ?? []).flatMap((text) => {
    const pool = parsePool(text);
    return pool?.netmask === undefined ? [] : [{ address: pool.first, netmask: pool.netmask, taken: pool.router }];
  });
  return [...interfaces.map(({ address, netmask }) => ({ address, netmask, taken: address })), ...behindRelays];
}
