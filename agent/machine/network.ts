import type { NetworkInterfaceInfo } from "node:os";
import { Fault } from "../../fault.ts";

/** The card that everything goes over. */
export type BootNetwork = { readonly name: string; readonly mac: string; readonly address: string };

/**
 * The card that the machine booted from; without its address the first one that
 * has an IPv4 address.
 *
 * @param interfaces `os.networkInterfaces()`
 * @throws {Fault} NETWORK_MISSING
 */
export function bootNetwork(
  interfaces: Readonly<Record<string, NetworkInterfaceInfo[] | undefined>>,
  bootMac: string | undefined,
): BootNetwork {
  const usable: BootNetwork[] = [];
  for (const [name, addresses] of Object.entries(interfaces).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const ipv4 = addresses?.find(({ family, internal }) => family === "IPv4" && !internal);
    if (ipv4 !== undefined) usable.push({ name, mac: ipv4.mac.toLowerCase(), address: ipv4.address });
  }
  const network = usable.find(({ mac }) => mac === bootMac) ?? usable[0];
  if (network !== undefined) return network;
  throw new Fault("NETWORK_MISSING", {
    what: "This machine has no IPv4 address.",
    why: "No card has a cable, a driver in the boot image, and an answer from a DHCP server.",
    fix: "Check the cable and the DHCP server (bootcast doctor on the server), then start the machine again.",
  });
}
