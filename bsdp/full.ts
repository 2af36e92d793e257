import { addressNumber, addressOfNumber, inSameNetwork } from "./address.ts";
import type { BootChoice } from "./boot-choice.ts";
import type { LeaseDecision } from "./dhcp-leases.ts";
import type { DhcpOption, DhcpPacket } from "./dhcp-packet.ts";
import { BROADCAST_FLAG, optionData } from "./dhcp-packet.ts";
import { addressOption, byteOption, MessageType, numberOption, Option, textOption } from "./dhcp-values.ts";
import type { LeaseSettings } from "./lease-choice.ts";
import { bootFields, bootOptions, relayEcho } from "./proxy.ts";
import type { PxeClient } from "./pxe-client.ts";
import { isRelayed, serverIdFor } from "./relay.ts";
import type { Destination } from "./reply-destination.ts";
import { BROADCAST_ADDRESS, CLIENT_PORT, destinationOf } from "./reply-destination.ts";

/** A network's settings as its clients get them. */
export type FullSettings = LeaseSettings & {
  readonly router?: string;
  readonly dns?: readonly string[];
  /** Further options; one of the same code replaces ours. */
  readonly options?: readonly DhcpOption[];
};

/** What a full server boots a client with, when it asked for that. */
export type FullBoot = { readonly client: PxeClient; readonly choice: BootChoice };

/**
 * The packet for a decision, with boot data in the same OFFER and ACK.
 *
 * Plain PXE gets no option 60: then firmware uses `siaddr` and `file` at once,
 * with it some would look for a boot server on port 4011 first.
 *
 * @returns undefined for silence
 */
export function fullReply(
  request: DhcpPacket,
  decision: LeaseDecision,
  settings: FullSettings,
  boot?: FullBoot,
): { readonly packet: DhcpPacket; readonly to: Destination } | undefined {
  if (decision.type === "silence") return undefined;
  const type =
    decision.type === "refuse" ? MessageType.nak : decision.type === "offer" ? MessageType.offer : MessageType.ack;
  const head = [
    byteOption(Option.messageType, type),
    addressOption(Option.serverId, serverIdFor(request, settings.serverAddress)),
  ];
  const clientId = optionData(request, Option.clientId);
  // RFC 6842: a client that shares its hardware address finds its answer by this.
  const tail = [...(clientId === undefined ? [] : [{ code: Option.clientId, data: clientId }]), ...relayEcho(request)];
  const header = { ...request, op: 2, hops: 0, secs: 0, yiaddr: "0.0.0.0", siaddr: "0.0.0.0", sname: "", file: "" };
  if (decision.type === "refuse") {
    const packet = {
      ...header,
      ciaddr: "0.0.0.0",
      // The client has no address that can be trusted, and its relay must know that too.
      flags: isRelayed(request) ? request.flags | BROADCAST_FLAG : request.flags,
      options: [...head, textOption(Option.message, decision.why), ...tail],
    };
    const to = isRelayed(request) ? destinationOf(request) : { address: BROADCAST_ADDRESS, port: CLIENT_PORT };
    return { packet, to };
  }
  const isInform = decision.type === "inform";
  const data = boot?.choice.type === "boot" ? boot.choice : undefined;
  const packet = {
    ...header,
    ciaddr: decision.type === "offer" ? "0.0.0.0" : request.ciaddr,
    yiaddr: isInform ? "0.0.0.0" : decision.address,
    ...(data === undefined ? {} : bootFields(data, settings.serverAddress)),
    options: [
      ...head,
      ...(isInform ? [] : leaseTimes(settings.leaseSeconds)),
      ...networkOptions(settings, request),
      ...(data !== undefined && wantsClass(boot) ? [textOption(Option.vendorClass, data.vendorClass)] : []),
      ...(data === undefined || boot === undefined ? [] : bootOptions(boot.client, data, "full")),
      ...tail,
    ],
  };
  // An INFORM through a relay comes from a client that has an address: the answer goes to it (RFC 2131 4.3.5).
  return { packet, to: isInform ? { address: request.ciaddr, port: CLIENT_PORT } : destinationOf(request) };
}

// UEFI HTTP boot and a Raspberry Pi take no offer without it.
function wantsClass(boot: FullBoot | undefined): boolean {
  return boot?.client.kind === "http" || boot?.client.kind === "raspberry";
}

// RFC 2131 4.4.5: renewal after half the time, rebinding after seven eighths.
function leaseTimes(seconds: number): DhcpOption[] {
  return [
    numberOption(Option.leaseTime, seconds),
    numberOption(Option.renewalTime, Math.floor(seconds / 2)),
    numberOption(Option.rebindingTime, Math.floor((seconds * 7) / 8)),
  ];
}

function networkOptions(settings: FullSettings, request: DhcpPacket): DhcpOption[] {
  const { dns = [], options = [], networkAddress, netmask } = settings;
  const broadcast = addressOfNumber((addressNumber(networkAddress) | ~addressNumber(netmask)) >>> 0);
  const router = settings.router ?? relayRouter(request, settings);
  const own = [
    addressOption(Option.subnetMask, netmask),
    ...(router === undefined ? [] : [addressOption(Option.router, router)]),
    ...(dns.length === 0 ? [] : [addressOption(Option.dnsServers, ...dns)]),
    addressOption(Option.broadcastAddress, broadcast),
  ];
  return [...own.filter((option) => !options.some((other) => other.code === option.code)), ...options];
}

// The relay of a network is the router there, if nobody says otherwise.
function relayRouter({ giaddr }: DhcpPacket, { networkAddress, netmask }: FullSettings): string | undefined {
  return giaddr !== "0.0.0.0" && inSameNetwork(giaddr, networkAddress, netmask) ? giaddr : undefined;
}
