import { pino } from "pino";
import { type BootFiles, standardLoaders } from "../../../bsdp/boot-files.ts";
import { DhcpAnswerer } from "../../../server/dhcp/answer.ts";
import { LeaseBook } from "../../../server/dhcp/lease-book.ts";
import type { DhcpInterface, DhcpSettings } from "../../../server/dhcp/settings.ts";

/** The one network of these tests. */
export const on: DhcpInterface = { name: "s0", address: "10.77.0.1", netmask: "255.255.255.0" };

/** PCs get the loaders of the boot image, Macs one NetBoot image. */
export const oneMacImage: BootFiles = {
  httpPort: 8440,
  loaders: standardLoaders,
  secureLoaders: {},
  diskLoaders: {},
  macImages: [{ index: 137, name: "DOE-Image", bootFile: "nbi/booter" }],
  macPriority: 32768,
};

/** An answerer beside another DHCP server that gives every machine the agent; its clock stands still. */
export function answererWith(
  changes: Partial<DhcpSettings> = {},
  others?: ConstructorParameters<typeof DhcpAnswerer>[2],
): DhcpAnswerer {
  const settings: DhcpSettings = {
    interfaces: [on],
    mode: "proxy",
    policyOf: async () => ({ boot: "agent" }),
    bootFiles: oneMacImage,
    log: pino({ level: "silent" }),
    now: () => 1_000_000,
    ...changes,
  };
  const book = settings.full && new LeaseBook({ ...settings, store: settings.full.leases }, []);
  return new DhcpAnswerer(settings, book, others);
}
