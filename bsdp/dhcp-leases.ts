import { addressNumber, addressOfNumber, inSameNetwork } from "./address.ts";
import type { AddressPool } from "./address-pool.ts";
import type { DhcpPacket } from "./dhcp-packet.ts";
import { clientMac, optionAddress } from "./dhcp-packet.ts";
import { MessageType, messageTypeOf, Option } from "./dhcp-values.ts";
import type { Lease } from "./lease.ts";
import { isRelayed, relayInformation, serverIdFor } from "./relay.ts";

/** Everything that is known about addresses, by address. */
export type LeaseTable = ReadonlyMap<string, Lease>;

/** The network that addresses are given out in. */
export type LeaseSettings = {
  readonly serverAddress: string;
  readonly netmask: string;
  readonly pool: AddressPool;
  readonly leaseSeconds: number;
  /** Hardware address to fixed address. */
  readonly reservations: ReadonlyMap<string, string>;
};

/** Why a full server says nothing. */
export type LeaseSilence =
  | "not-a-request"
  | "not-ethernet"
  | "bootp"
  | "wrong-message-type"
  | "other-network"
  | "another-server-named"
  | "pool-empty"
  | "no-client-address"
  | "nothing-requested"
  | "not-its-address"
  | "declined"
  | "released";

/**
 * What to answer, and which rows of the table change. The caller puts the
 * changes into the table before it decides the next packet.
 */
export type LeaseDecision = { readonly changes: readonly Lease[] } & (
  | { readonly type: "offer" | "acknowledge"; readonly address: string }
  | { readonly type: "inform" }
  | { readonly type: "refuse"; readonly why: string }
  | { readonly type: "silence"; readonly reason: LeaseSilence }
);

/** How long an offered address is held for the REQUEST. */
const OFFER_HOLD_MS = 60_000;
/** How long an address that somebody else uses is left alone. */
const DECLINE_MS = 600_000;

const silence = (reason: LeaseSilence, changes: readonly Lease[] = []): LeaseDecision => ({
  type: "silence",
  reason,
  changes,
});

/**
 * Decides what the DHCP server of a network does with a packet (RFC 2131 4.3).
 * We are the only server there, so a client that asks for an address we do not
 * know of is told at once (NAK) or given it, instead of being left to time out.
 *
 * Clients are told apart by hardware address: their client identifiers change
 * between firmware, iPXE and the system, and each would take an address.
 */
export function decideLease(
  request: DhcpPacket,
  table: LeaseTable,
  settings: LeaseSettings,
  nowMs: number,
): LeaseDecision {
  if (request.op !== 1) return silence("not-a-request");
  if (request.htype !== 1 || request.hlen !== 6) return silence("not-ethernet");
  const type = messageTypeOf(request);
  if (type === undefined) return silence("bootp");
  const link = isRelayed(request) ? (relayInformation(request).linkSelection ?? request.giaddr) : undefined;
  if (link !== undefined && !inSameNetwork(link, settings.serverAddress, settings.netmask)) {
    return silence("other-network");
  }
  const client: Client = { request, table, settings, nowMs, mac: clientMac(request) };
  switch (type) {
    case MessageType.discover:
      return decideDiscover(client);
    case MessageType.request:
      return decideRequest(client);
    case MessageType.decline:
      return decideDecline(client);
    case MessageType.release:
      return decideRelease(client);
    case MessageType.inform:
      return request.ciaddr === "0.0.0.0" ? silence("no-client-address") : { type: "inform", changes: [] };
    default:
      return silence("wrong-message-type");
  }
}

type Client = {
  readonly request: DhcpPacket;
  readonly table: LeaseTable;
  readonly settings: LeaseSettings;
  readonly nowMs: number;
  readonly mac: string;
};

function decideDiscover(client: Client): LeaseDecision {
  const address = chooseAddress(client);
  if (address === undefined) return silence("pool-empty");
  const known = client.table.get(address);
  // A lease that still runs stays a lease: the client may go on using it.
  const isHeld = known?.mac === client.mac && known.state === "bound" && known.untilMs > client.nowMs;
  const untilMs = client.nowMs + OFFER_HOLD_MS;
  const offered: Lease = { address, mac: client.mac, state: "offered", untilMs };
  return { type: "offer", address, changes: isHeld ? [] : [offered] };
}

function decideRequest(client: Client): LeaseDecision {
  const { request, settings } = client;
  const named = optionAddress(request, Option.serverId);
  const requested = optionAddress(request, Option.requestedAddress);
  if (
    named !== undefined &&
    named !== serverIdFor(request, settings.serverAddress) &&
    named !== settings.serverAddress
  ) {
    return silence("another-server-named", takeBackOffers(client));
  }
  // SELECTING and INIT-REBOOT name the address in option 50, RENEWING and REBINDING in ciaddr.
  const wished = requested === "0.0.0.0" ? undefined : requested;
  const address = request.ciaddr === "0.0.0.0" ? (wished ?? heldAddress(client)) : request.ciaddr;
  if (address === undefined) return silence("nothing-requested");
  if (!mayHave(client, address)) {
    return { type: "refuse", why: `${address} is not yours here`, changes: takeBackOffers(client) };
  }
  const untilMs = client.nowMs + settings.leaseSeconds * 1000;
  const bound: Lease = { address, mac: client.mac, state: "bound", untilMs };
  return { type: "acknowledge", address, changes: [bound, ...giveUpOthers(client, address)] };
}

// Some clients (npm dhcp) answer an offer without naming its address; it is the one that we hold for them.
function heldAddress({ table, mac, nowMs }: Client): string | undefined {
  const held = [...table.values()].filter((lease) => lease.mac === mac && lease.untilMs > nowMs);
  return held.find((lease) => lease.state === "offered" || lease.state === "bound")?.address;
}

function decideDecline(client: Client): LeaseDecision {
  const address = optionAddress(client.request, Option.requestedAddress);
  const lease = address === undefined ? undefined : client.table.get(address);
  // Only the client that was given the address can say that somebody else has it.
  if (lease === undefined || lease.mac !== client.mac || lease.state === "declined") return silence("not-its-address");
  return silence("declined", [{ ...lease, state: "declined", untilMs: client.nowMs + DECLINE_MS }]);
}

function decideRelease(client: Client): LeaseDecision {
  const lease = client.table.get(client.request.ciaddr);
  if (lease === undefined || lease.mac !== client.mac || lease.state !== "bound") return silence("not-its-address");
  return silence("released", [{ ...lease, state: "released", untilMs: client.nowMs }]);
}

/** Reserved, else what it had, else what it wishes, else unused, else what is longest unused by others. */
function chooseAddress(client: Client): string | undefined {
  const { table, settings, mac } = client;
  const own = [...table.values()]
    .filter((lease) => lease.mac === mac && lease.state !== "declined")
    .toSorted((one, other) => other.untilMs - one.untilMs)
    .map((lease) => lease.address);
  const wished = optionAddress(client.request, Option.requestedAddress);
  const reserved = settings.reservations.get(mac);
  for (const address of [reserved, ...own, wished]) {
    if (address !== undefined && mayHave(client, address)) return address;
  }
  let oldest: Lease | undefined;
  const last = addressNumber(settings.pool.last);
  for (let number = addressNumber(settings.pool.first); number <= last; number += 1) {
    const address = addressOfNumber(number);
    if (!mayHave(client, address)) continue;
    const lease = table.get(address);
    if (lease === undefined) return address;
    if (oldest === undefined || lease.untilMs < oldest.untilMs) oldest = lease;
  }
  return oldest?.address;
}

function mayHave(client: Client, address: string): boolean {
  const { table, settings, nowMs, mac } = client;
  const lease = table.get(address);
  if (lease !== undefined && lease.untilMs > nowMs) {
    // A running declined lease is nobody's, not even its client's.
    if (lease.state === "declined" || (lease.mac !== mac && lease.state !== "released")) return false;
  }
  const reserved = settings.reservations.get(mac);
  if (reserved === address) return true;
  // Its reserved address is free: it must move there.
  if (reserved !== undefined && isFree(client, reserved)) return false;
  return isInPool(address, settings) && !isReservedForOther(client, address);
}

function isFree({ table, nowMs, mac }: Client, address: string): boolean {
  const lease = table.get(address);
  if (lease === undefined || lease.untilMs <= nowMs || lease.state === "released") return true;
  return lease.mac === mac && lease.state !== "declined";
}

function isReservedForOther({ settings, mac }: Client, address: string): boolean {
  for (const [owner, reserved] of settings.reservations) if (reserved === address && owner !== mac) return true;
  return false;
}

function isInPool(address: string, { pool, serverAddress, netmask }: LeaseSettings): boolean {
  const number = addressNumber(address);
  if (number < addressNumber(pool.first) || number > addressNumber(pool.last)) return false;
  if (address === serverAddress || !inSameNetwork(address, serverAddress, netmask)) return false;
  // The first and the last address of a network are not a machine's.
  const host = (number & ~addressNumber(netmask)) >>> 0;
  return host !== 0 && host !== ~addressNumber(netmask) >>> 0;
}

function takeBackOffers({ table, mac, nowMs }: Client): Lease[] {
  const offers = [...table.values()].filter((lease) => lease.mac === mac && lease.state === "offered");
  return offers.map((lease) => ({ ...lease, state: "released", untilMs: nowMs }));
}

function giveUpOthers({ table, mac, nowMs }: Client, kept: string): Lease[] {
  const others = [...table.values()].filter(
    (lease) => lease.mac === mac && lease.address !== kept && (lease.state === "bound" || lease.state === "offered"),
  );
  return others.map((lease) => ({ ...lease, state: "released", untilMs: Math.min(lease.untilMs, nowMs) }));
}
