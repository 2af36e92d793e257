import { addressNumber, inSameNetwork, isAddress } from "../bsdp/address.ts";
import { type AddressPool, parsePool } from "../bsdp/address-pool.ts";
import type { FullSettings } from "../bsdp/full.ts";
import { Fault } from "../fault.ts";
import type { DhcpInterface, DhcpSettings } from "./dhcp-settings.ts";

/** A pool is searched address by address. */
const LARGEST_POOL = 65_536;

/**
 * What the clients on one interface get in full mode.
 *
 * @throws {Fault} DHCP_NO_POOL, DHCP_POOL_RANGE or DHCP_BAD_ADDRESS for settings that cannot work
 */
export function networkOf(on: DhcpInterface, full: NonNullable<DhcpSettings["full"]>): FullSettings {
  for (const [name, address] of [
    ...(full.router === undefined ? [] : [["network.router", full.router]]),
    ...(full.dns ?? []).map((dns) => ["network.dns", dns]),
    ...[...(full.reservations ?? [])].map(([mac, address]) => [`the address of ${mac}`, address]),
  ] as [string, string][]) {
    if (!isAddress(address)) throw badAddress(name, address);
  }
  const pool = full.pools.map(poolOf).find((one) => isWithin(one, on));
  if (pool === undefined) {
    throw new Fault("DHCP_NO_POOL", {
      what: `There are no addresses to give out on ${on.name}.`,
      why: `Its network is that of ${on.address}/${on.netmask}, and no pool lies in it.`,
      fix: 'Set network.pool to a range in that network, for example "10.0.0.50-10.0.0.99", or use dhcp = "proxy".',
    });
  }
  const router = full.router;
  return {
    serverAddress: on.address,
    netmask: on.netmask,
    pool,
    leaseSeconds: full.leaseSeconds,
    reservations: new Map([...(full.reservations ?? [])].filter(([, address]) => isOn(on, address))),
    ...(router !== undefined && isOn(on, router) ? { router } : {}),
    dns: full.dns ?? [],
    options: full.options ?? [],
  };
}

function poolOf(text: string): AddressPool {
  const pool = parsePool(text);
  if (pool === undefined || addressNumber(pool.last) - addressNumber(pool.first) >= LARGEST_POOL) {
    throw new Fault("DHCP_POOL_RANGE", {
      what: `"${text}" is no range of addresses to give out.`,
      why: `It must be two IPv4 addresses with a dash between them, the smaller first, at most ${LARGEST_POOL} addresses.`,
      fix: 'Write network.pool like "10.0.0.50-10.0.0.99".',
    });
  }
  return pool;
}

const isOn = (on: DhcpInterface, address: string): boolean => inSameNetwork(address, on.address, on.netmask);
const isWithin = (pool: AddressPool, on: DhcpInterface): boolean => isOn(on, pool.first) && isOn(on, pool.last);

function badAddress(name: string, address: string): Fault {
  return new Fault("DHCP_BAD_ADDRESS", {
    what: `${name} is "${address}".`,
    why: "That is not an IPv4 address.",
    fix: "Correct it in the configuration.",
  });
}
