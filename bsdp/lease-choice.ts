import { addressNumber, addressOfNumber, inSameNetwork } from "./address.ts";
import type { AddressPool } from "./address-pool.ts";
import type { Lease } from "./lease.ts";

/** Everything that is known about addresses, by address. */
export type LeaseTable = ReadonlyMap<string, Lease>;

/** The network that addresses are given out in. */
export type LeaseSettings = {
  /** Our address, as the client reaches us: option 54. */
  readonly serverAddress: string;
  /** Any address of the network. It is ours, unless the network is behind a relay. */
  readonly networkAddress: string;
  readonly netmask: string;
  /** Given out in this order. */
  readonly pools: readonly AddressPool[];
  /** Addresses of a pool that are nobody's: our own, the router's. */
  readonly taken: ReadonlySet<string>;
  readonly leaseSeconds: number;
  /** Hardware address to fixed address. */
  readonly reservations: ReadonlyMap<string, string>;
  /** No other DHCP server is there: a client that we do not know is told at once that its address is wrong. */
  readonly isOnly: boolean;
};

/** One client at one moment. */
export type LeaseClient = {
  readonly table: LeaseTable;
  readonly settings: LeaseSettings;
  readonly nowMs: number;
  readonly mac: string;
};

/** Reserved, else what it had, else what it wishes, else unused, else what is longest unused by others. */
export function chooseAddress(client: LeaseClient, wished: string | undefined): string | undefined {
  const { table, settings, mac } = client;
  const own = [...table.values()]
    .filter((lease) => lease.mac === mac && lease.state !== "declined")
    .toSorted((one, other) => other.untilMs - one.untilMs)
    .map((lease) => lease.address);
  for (const address of [settings.reservations.get(mac), ...own, wished]) {
    if (address !== undefined && mayHave(client, address)) return address;
  }
  let oldest: Lease | undefined;
  for (const pool of settings.pools) {
    const last = addressNumber(pool.last);
    for (let number = addressNumber(pool.first); number <= last; number += 1) {
      const address = addressOfNumber(number);
      const lease = table.get(address);
      // The longest list of leases is the usual case: this is the cheapest test.
      if (lease !== undefined && lease.untilMs > client.nowMs && lease.mac !== mac && lease.state !== "released")
        continue;
      if (!mayHave(client, address)) continue;
      if (lease === undefined) return address;
      if (oldest === undefined || lease.untilMs < oldest.untilMs) oldest = lease;
    }
  }
  return oldest?.address;
}

/** True when the client can be given, or keep, this address. */
export function mayHave(client: LeaseClient, address: string): boolean {
  const { table, settings, nowMs, mac } = client;
  const lease = table.get(address);
  if (lease !== undefined && lease.untilMs > nowMs) {
    // A running declined lease is nobody's, not even its client's.
    if (lease.state === "declined" || (lease.mac !== mac && lease.state !== "released")) return false;
  }
  if (!isOfNetwork(address, settings)) return false;
  const reserved = settings.reservations.get(mac);
  if (reserved === address) return true;
  // Its reserved address is free: it must move there.
  if (reserved !== undefined && isOfNetwork(reserved, settings) && isFree(client, reserved)) return false;
  return isInPool(address, settings) && !isReservedForOther(client, address);
}

/** True for an address that a machine of the network can have. */
function isOfNetwork(address: string, { networkAddress, netmask, taken }: LeaseSettings): boolean {
  if (taken.has(address) || !inSameNetwork(address, networkAddress, netmask)) return false;
  // The first and the last address of a network are not a machine's.
  const mask = addressNumber(netmask);
  const host = (addressNumber(address) & ~mask) >>> 0;
  return host !== 0 && host !== ~mask >>> 0;
}

/** True for an address of a pool. */
export function isInPool(address: string, { pools }: LeaseSettings): boolean {
  const number = addressNumber(address);
  return pools.some(({ first, last }) => number >= addressNumber(first) && number <= addressNumber(last));
}

function isFree({ table, nowMs, mac }: LeaseClient, address: string): boolean {
  const lease = table.get(address);
  if (lease === undefined || lease.untilMs <= nowMs || lease.state === "released") return true;
  return lease.mac === mac && lease.state !== "declined";
}

/** Owners by address, once for each table of reservations: it is asked for every address of a pool. */
const ownersOf = new WeakMap<ReadonlyMap<string, string>, ReadonlyMap<string, ReadonlySet<string>>>();

function isReservedForOther({ settings, mac }: LeaseClient, address: string): boolean {
  const { reservations } = settings;
  let owners = ownersOf.get(reservations);
  if (owners === undefined) {
    const byAddress = new Map<string, Set<string>>();
    for (const [owner, reserved] of reservations) {
      byAddress.set(reserved, (byAddress.get(reserved) ?? new Set()).add(owner));
    }
    owners = byAddress;
    ownersOf.set(reservations, owners);
  }
  const found = owners.get(address);
  return found !== undefined && !found.has(mac);
}
