import { addressNumber, addressOfNumber, inSameNetwork, isAddress } from "../../bsdp/address.ts";
import type { WrittenPool } from "../../bsdp/address-pool.ts";
import { parsePool, poolSize } from "../../bsdp/address-pool.ts";
import type { DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import type { FullSettings } from "../../bsdp/full.ts";
import { clientLink } from "../../bsdp/relay.ts";
import { Fault } from "../../fault.ts";
import type { DhcpInterface, DhcpSettings } from "./settings.ts";

/** A pool is searched address by address. */
const LARGEST_POOL = 65_536;

type Full = NonNullable<DhcpSettings["full"]>;

/** In which network a client is, and what its clients get; undefined when we give out nothing there. */
export type NetworkOf = (request: DhcpPacket) => FullSettings | undefined;

/**
 * The network of a client whose packet came in on an interface: the interface's own; behind a relay the one that the
 * relay names; for a client that renews through routers the one that its address is in.
 *
 * @throws {Fault} DHCP_NO_POOL, DHCP_POOL_RANGE or DHCP_BAD_ADDRESS for settings that cannot work
 */
export function networksFrom(on: DhcpInterface, full: Full): NetworkOf {
  const own = networkOf(on, full);
  const behindRelays = relayedNetworks(on, full);
  const all = [own, ...behindRelays];
  const holding = (networks: readonly FullSettings[], address: string) =>
    networks.find((one) => inSameNetwork(address, one.networkAddress, one.netmask));
  return (request) => {
    const link = clientLink(request);
    if (link !== undefined) return holding(all, link);
    return request.ciaddr === "0.0.0.0" ? own : (holding(behindRelays, request.ciaddr) ?? own);
  };
}

/**
 * What the clients on one interface get in full mode.
 *
 * @throws {Fault} as above
 */
export function networkOf(on: DhcpInterface, full: Full): FullSettings {
  checkAddresses(full);
  const pools = full.pools.map(poolOf).filter((pool) => isOn(on, pool.first) && isOn(on, pool.last));
  if (pools.length === 0) {
    throw new Fault("DHCP_NO_POOL", {
      what: `There are no addresses to give out on ${on.name}.`,
      why: `Its network is that of ${on.address}/${on.netmask}, and no pool lies in it.`,
      fix: 'Set network.pool to a range in that network, for example "10.0.0.50-10.0.0.99", or network.dhcp = "proxy".',
    });
  }
  const router =
    full.router !== undefined && isOn(on, full.router) ? full.router : pools.find((one) => one.router)?.router;
  return {
    ...common(full, router),
    serverAddress: on.address,
    networkAddress: on.address,
    netmask: on.netmask,
    pools,
    taken: new Set([on.address, ...(router === undefined ? [] : [router])]),
  };
}

/** The networks of the pools that have a netmask of their own and no interface of ours. */
function relayedNetworks(on: DhcpInterface, full: Full): FullSettings[] {
  const networks = new Map<string, FullSettings>();
  for (const pool of full.pools.map(poolOf)) {
    const { first, netmask, router } = pool;
    if (netmask === undefined || isOn(on, first)) continue;
    const key = addressOfNumber((addressNumber(first) & addressNumber(netmask)) >>> 0);
    const before = networks.get(key);
    networks.set(key, {
      ...common(full, router ?? before?.router),
      serverAddress: on.address,
      networkAddress: first,
      netmask,
      pools: [...(before?.pools ?? []), pool],
      taken: new Set([...(before?.taken ?? []), ...(router === undefined ? [] : [router])]),
    });
  }
  return [...networks.values()];
}

function common(full: Full, router: string | undefined) {
  return {
    leaseSeconds: full.leaseSeconds,
    reservations: new Map<string, string>(),
    isOnly: full.allowsOther !== true,
    ...(router === undefined ? {} : { router }),
    dns: full.dns ?? [],
    options: full.options ?? [],
  };
}

function checkAddresses(full: Full): void {
  const named: (readonly [name: string, address: string])[] = (full.dns ?? []).map((dns) => ["network.dns", dns]);
  if (full.router !== undefined) named.push(["network.router", full.router]);
  for (const [name, address] of named) {
    if (isAddress(address)) continue;
    throw new Fault("DHCP_BAD_ADDRESS", {
      what: `${name} is "${address}".`,
      why: "That is not an IPv4 address.",
      fix: "Correct it in the configuration.",
    });
  }
}

function poolOf(text: string): WrittenPool {
  const pool = parsePool(text);
  if (pool === undefined || poolSize(pool) > LARGEST_POOL) {
    throw new Fault("DHCP_POOL_RANGE", {
      what: `"${text}" is no range of addresses to give out.`,
      why: `It must be two IPv4 addresses with a dash between them, the smaller first, at most ${LARGEST_POOL} addresses.`,
      fix: 'Write network.pool like "10.0.0.50-10.0.0.99".',
    });
  }
  return pool;
}

const isOn = (on: DhcpInterface, address: string): boolean => inSameNetwork(address, on.address, on.netmask);
