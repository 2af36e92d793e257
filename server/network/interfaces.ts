import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import { Fault } from "../../fault.ts";

/** A network that is served: its interface, and our first IPv4 address in it. */
export type ServedInterface = { readonly name: string; readonly address: string; readonly netmask: string };

/** What `os.networkInterfaces()` says. */
export type SystemInterfaces = Readonly<Record<string, NetworkInterfaceInfo[] | undefined>>;

/**
 * The interfaces to serve: those named, or every one with an IPv4 address that is not loopback.
 *
 * @param system what `os.networkInterfaces()` says
 * @throws {Fault} INTERFACE_MISSING, INTERFACE_NONE
 */
export function servedInterfaces(
  names: readonly string[] | undefined,
  system: SystemInterfaces = networkInterfaces(),
): ServedInterface[] {
  const usable = usableInterfaces(system);
  const listed = usable.map(({ name, address }) => `${name} (${address})`).join(", ") || "none";
  if (names === undefined) {
    const served = usable.filter(({ isLoopback }) => !isLoopback);
    if (served.length > 0) return served.map(withoutKind);
    throw new Fault("INTERFACE_NONE", {
      what: "There is no network to serve.",
      why: `No interface has an IPv4 address, except loopback. Interfaces with one: ${listed}.`,
      fix: 'Give one an address ("ip address add 10.77.0.1/24 dev eth0"), or name one in network.interfaces.',
    });
  }
  return names.map((name) => {
    const found = usable.find((one) => one.name === name);
    if (found !== undefined) return withoutKind(found);
    throw new Fault("INTERFACE_MISSING", {
      what: `The interface "${name}" of network.interfaces cannot be served.`,
      why: Object.hasOwn(system, name)
        ? "It has no IPv4 address."
        : `It does not exist or is down. There are: ${listed}.`,
      fix: "Correct network.interfaces, or bring the interface up with a fixed IPv4 address.",
    });
  });
}

/** Every interface with an IPv4 address, and its first one. */
export function usableInterfaces(system: SystemInterfaces): (ServedInterface & { readonly isLoopback: boolean })[] {
  return Object.entries(system).flatMap(([name, addresses]) => {
    const first = addresses?.find(({ family }) => family === "IPv4");
    if (first === undefined) return [];
    return [{ name, address: first.address, netmask: first.netmask, isLoopback: first.internal }];
  });
}

function withoutKind({ name, address, netmask }: ServedInterface): ServedInterface {
  return { name, address, netmask };
}
