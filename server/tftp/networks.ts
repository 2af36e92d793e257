import { isIPv4 } from "node:net";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import { addressNumber } from "../../bsdp/address.ts";

/**
 * Whether a client is in a network that is served: one that our addresses are in, or one that is named.
 *
 * @param named "10.2.0.0/16"
 * @param system what `os.networkInterfaces()` says
 */
export function servedNetworks(
  addresses: readonly string[],
  named: readonly string[],
  system: Readonly<Record<string, NetworkInterfaceInfo[] | undefined>> = networkInterfaces(),
): (client: string) => boolean {
  const onLink = Object.values(system).flatMap((list) =>
    (list ?? []).filter(({ address }) => addresses.includes(address)).map(({ cidr }) => cidr ?? ""),
  );
  const networks = [...onLink, ...named].flatMap((text) => {
    const [address = "", bits = "32"] = text.split("/");
    if (!isIPv4(address)) return [];
    // A shift by 32 is a shift by 0.
    const mask = Number(bits) === 0 ? 0 : -1 << (32 - Number(bits));
    return [{ mask, number: addressNumber(address) & mask }];
  });
  // IPv6 clients are served where we listen: it is not used for booting, and their networks are many.
  return (client) => !isIPv4(client) || networks.some(({ mask, number }) => (addressNumber(client) & mask) === number);
}
