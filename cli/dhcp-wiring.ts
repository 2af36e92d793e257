import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type BootFiles,
  RASPBERRY_PI_FILES,
  standardDiskLoaders,
  standardLoaders,
  standardSecureLoaders,
} from "../bsdp/boot-files.ts";
import type { ConfigValues } from "../server/config.ts";
import { dhcpOptions } from "../server/dhcp-options.ts";
import type { DhcpSettings, LeaseStore } from "../server/dhcp-settings.ts";

/** The EFI program that Macs start; where the boot image puts it. */
const MAC_BOOTER = "nbi/booter";

/**
 * What there is to boot. Looked up for every answer, so that a boot image that
 * is built while the server runs needs no restart: a platform without a loader gets no offer.
 */
export function bootFilesOf(values: ConfigValues, bootDirectory: string, httpPort: number): BootFiles {
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
      return [{ index: values["bsdp.index"], name: values["bsdp.name"], bootFile: MAC_BOOTER, isDefault: true }];
    },
    macPriority: values["bsdp.priority"],
  };
}

/** The settings of our own DHCP server. @throws {Fault} for an option that does not exist or a wrong value */
export function fullDhcpOf(values: ConfigValues, leases: LeaseStore): NonNullable<DhcpSettings["full"]> {
  const router = values["network.router"];
  return {
    pools: values["network.pool"] ?? [],
    ...(router === undefined ? {} : { router }),
    dns: values["network.dns"],
    leaseSeconds: values["network.lease_minutes"] * 60,
    options: dhcpOptions(values["network.options"]),
    leases,
  };
}
