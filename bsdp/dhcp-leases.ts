import { inSameNetwork } from "./address.ts";
import type { DhcpPacket } from "./dhcp-packet.ts";
import { clientMac, optionAddress } from "./dhcp-packet.ts";
import { MessageType, messageTypeOf, Option } from "./dhcp-values.ts";
import type { Lease } from "./lease.ts";
import type { LeaseClient, LeaseSettings, LeaseTable } from "./lease-choice.ts";
import { chooseAddress, isInPool, mayHave } from "./lease-choice.ts";
import { clientLink, serverIdFor } from "./relay.ts";

/** Why a full server says nothing. */
export type LeaseSilence =
  | "not-a-request"
  | "not-ethernet"
  | "bootp"
  | "wrong-message-type"
  | "other-network"
  | "another-server-named"
  | "pool-empty"
  /** Of several that were looked at; others are looked at when the client asks again. */
  | "addresses-in-use"
  | "no-client-address"
  | "nothing-requested"
  | "no-record"
  | "not-its-address"
  | "declined"
  | "released";

/**
 * What to answer, and which rows of the table change. The caller puts the
 * changes into the table before it decides the next packet.
 */
export type LeaseDecision = { readonly changes: readonly Lease[] } & (
  | {
      readonly type: "offer";
      readonly address: string;
      /** The client did not have it last: somebody else may use it. */
      readonly isNew: boolean;
    }
  | { readonly type: "acknowledge"; readonly address: string }
  | { readonly type: "inform" }
  | { readonly type: "refuse"; readonly why: string }
  | { readonly type: "silence"; readonly reason: LeaseSilence }
);

/** How long an offered address is held for the REQUEST. */
const OFFER_HOLD_MS = 60_000;
/** How long an address that somebody else uses is left alone. */
const DECLINE_MS = 600_000;
/** How long a client's old address is remembered after its lease. */
const REMEMBER_MS = 30 * 86_400_000;

const silence = (reason: LeaseSilence, changes: readonly Lease[] = []): LeaseDecision => ({
  type: "silence",
  reason,
  changes,
});

/**
 * Decides what the DHCP server of a network does with a packet (RFC 2131 4.3).
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
  const link = clientLink(request);
  if (link !== undefined && !inSameNetwork(link, settings.networkAddress, settings.netmask)) {
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

type Client = LeaseClient & { readonly request: DhcpPacket };

function decideDiscover(client: Client): LeaseDecision {
  const address = chooseAddress(client, optionAddress(client.request, Option.requestedAddress));
  if (address === undefined) return silence("pool-empty");
  const known = client.table.get(address);
  // A lease that still runs stays a lease: the client may go on using it.
  const isHeld = known?.mac === client.mac && known.state === "bound" && known.untilMs > client.nowMs;
  const isNew = known?.mac !== client.mac || known.state === "declined";
  const untilMs = client.nowMs + OFFER_HOLD_MS;
  const offered: Lease = { address, mac: client.mac, state: "offered", untilMs };
  return { type: "offer", address, isNew, changes: isHeld ? [] : [offered] };
}

/** RFC 2131 4.3.2. */
function decideRequest(client: Client): LeaseDecision {
  const { request, settings } = client;
  const named = optionAddress(request, Option.serverId);
  const requested = optionAddress(request, Option.requestedAddress);
  if (!isForUs(client)) return silence("another-server-named", takeBackOffers(client));
  // SELECTING and INIT-REBOOT name the address in option 50, RENEWING and REBINDING in ciaddr.
  const hasAddress = request.ciaddr !== "0.0.0.0";
  const wished = requested === "0.0.0.0" ? undefined : requested;
  const address = hasAddress ? request.ciaddr : (wished ?? heldAddress(client));
  if (address === undefined) return silence("nothing-requested");
  const refused: LeaseDecision = {
    type: "refuse",
    why: `${address} is not yours here`,
    changes: takeBackOffers(client),
  };
  if (!inSameNetwork(address, settings.networkAddress, settings.netmask)) return refused;
  const isSelecting = named !== undefined;
  const isReboot = !isSelecting && !hasAddress && wished !== undefined;
  if (!isSelecting && !isOnRecord(client)) {
    // Another server may know it. Where there is none, a client that runs is trusted, if its address is free.
    if (isReboot || !settings.isOnly) return silence("no-record");
  } else if (!isSelecting && !settings.isOnly && !isOurs(client, address)) {
    // It was our client once; this address it may have from the other server.
    return silence("no-record");
  } else if (isReboot && client.table.get(address)?.mac !== client.mac && !isReservedFor(client, address)) {
    return refused;
  }
  if (!mayHave(client, address)) return refused;
  const untilMs = client.nowMs + settings.leaseSeconds * 1000;
  const bound: Lease = { address, mac: client.mac, state: "bound", untilMs };
  return { type: "acknowledge", address, changes: [bound, ...giveUpOthers(client, address)] };
}

function isForUs({ request, settings }: Client): boolean {
  const named = optionAddress(request, Option.serverId);
  return (
    named === undefined || named === settings.serverAddress || named === serverIdFor(request, settings.serverAddress)
  );
}

/** Whether we ever gave this client something, or keep something for it. */
function isOnRecord({ table, settings, mac }: Client): boolean {
  if (settings.reservations.has(mac)) return true;
  for (const lease of table.values()) if (lease.mac === mac && lease.state !== "declined") return true;
  return false;
}

/** Whether an address is one that we give out. */
const isOurs = (client: Client, address: string): boolean =>
  isInPool(address, client.settings) || isReservedFor(client, address);

const isReservedFor = ({ settings, mac }: Client, address: string): boolean =>
  settings.reservations.get(mac) === address;

// Some clients (npm dhcp) answer an offer without naming its address; it is the one that we hold for them.
function heldAddress({ table, mac, nowMs }: Client): string | undefined {
  const held = [...table.values()].filter((lease) => lease.mac === mac && lease.untilMs > nowMs);
  return held.find((lease) => lease.state === "offered" || lease.state === "bound")?.address;
}

function decideDecline(client: Client): LeaseDecision {
  if (!isForUs(client)) return silence("another-server-named");
  const address = optionAddress(client.request, Option.requestedAddress);
  const lease = address === undefined ? undefined : client.table.get(address);
  // Only the client that was given the address can say that somebody else has it.
  if (lease === undefined || lease.mac !== client.mac || lease.state === "declined") return silence("not-its-address");
  return silence("declined", [restingLease(lease.address, client.mac, client.nowMs)]);
}

/** The row of an address that somebody uses without us: it is given to nobody for a while. */
export function restingLease(address: string, mac: string, nowMs: number): Lease {
  return { address, mac, state: "declined", untilMs: nowMs + DECLINE_MS };
}

/** The addresses whose rows say nothing any more. A client gets its old address again for a month. */
export function forgettableLeases(table: LeaseTable, nowMs: number): string[] {
  const ended = [...table.values()].filter(
    ({ state, untilMs }) => untilMs + (state === "bound" || state === "released" ? REMEMBER_MS : 0) <= nowMs,
  );
  return ended.map(({ address }) => address);
}

function decideRelease(client: Client): LeaseDecision {
  if (!isForUs(client)) return silence("another-server-named");
  const lease = client.table.get(client.request.ciaddr);
  if (lease === undefined || lease.mac !== client.mac || lease.state !== "bound") return silence("not-its-address");
  return silence("released", [{ ...lease, state: "released", untilMs: client.nowMs }]);
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
