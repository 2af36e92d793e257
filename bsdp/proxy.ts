import type { BootChoice } from "./boot-choice.ts";
import type { DhcpOption, DhcpPacket } from "./dhcp-packet.ts";
import { BROADCAST_FLAG, optionAddress, optionInstances } from "./dhcp-packet.ts";
import { addressOption, byteOption, MessageType, messageTypeOf, Option, textOption } from "./dhcp-values.ts";
import type { PxeClient } from "./pxe-client.ts";
import { pxeClientOf } from "./pxe-client.ts";
import { isRelayed, serverIdFor } from "./relay.ts";
import type { Destination } from "./reply-destination.ts";
import { BROADCAST_ADDRESS, CLIENT_PORT, destinationOf, PROXY_PORT } from "./reply-destination.ts";

/** How a packet came to us. */
export type Arrival = {
  /** Our port: 67 or 4011. */
  readonly port: number;
  /** Our address on that interface. */
  readonly serverAddress: string;
  /** Our addresses on all interfaces; absent: there is only the one. */
  readonly ownAddresses?: readonly string[];
  readonly source: Destination;
};

/** Why a proxy says nothing to a packet, whatever there is to boot. */
export type ProxySilence =
  | "not-a-request"
  | "not-ethernet"
  | "not-a-boot-client"
  | "no-message-type"
  | "wrong-message-type"
  | "request-is-for-the-dhcp-server"
  | "another-server-named"
  | "chose-local-boot"
  | "no-client-address";

type BootData = Extract<BootChoice, { type: "boot" }>;

/**
 * Reads whether a proxy has to answer a packet at all. On port 67 that is a
 * DISCOVER (and the INFORM of a client that has an address); the REQUEST that
 * follows goes to the DHCP server. On port 4011 it is a REQUEST or INFORM.
 */
export function proxyQuestion(request: DhcpPacket, arrival: Arrival): PxeClient | ProxySilence {
  if (request.op !== 1) return "not-a-request";
  if (request.htype !== 1 || request.hlen !== 6) return "not-ethernet";
  const client = pxeClientOf(request);
  if (client === undefined) return "not-a-boot-client";
  const type = messageTypeOf(request);
  if (type === undefined) return "no-message-type";
  const named = optionAddress(request, Option.serverId);
  if (arrival.port === PROXY_PORT) {
    if (type !== MessageType.request && type !== MessageType.inform) return "wrong-message-type";
    if (named !== undefined && !isOurs(named, arrival)) return "another-server-named";
    // Menu item 0 is "boot from the local disk" (PXE 2.1, 2.3).
    if (client.bootItem?.type === 0) return "chose-local-boot";
    return client;
  }
  if (type === MessageType.request) return "request-is-for-the-dhcp-server";
  if (type === MessageType.inform && request.ciaddr === "0.0.0.0") return "no-client-address";
  if (type !== MessageType.discover && type !== MessageType.inform) return "wrong-message-type";
  return client;
}

// The offer may have left by another interface than the one that this packet came back on: clients with an address
// are routed.
const isOurs = (address: string, { serverAddress, ownAddresses = [] }: Arrival): boolean =>
  address === serverAddress || ownAddresses.includes(address);

/**
 * The answer of a proxy: boot data and never an address (yiaddr 0 is what
 * marks it as a proxy's).
 */
export function proxyReply(
  request: DhcpPacket,
  arrival: Arrival,
  client: PxeClient,
  boot: BootData,
): { readonly packet: DhcpPacket; readonly to: Destination } {
  const isOffer = messageTypeOf(request) === MessageType.discover;
  const isOnProxyPort = arrival.port === PROXY_PORT;
  const options = [
    byteOption(Option.messageType, isOffer ? MessageType.offer : MessageType.ack),
    addressOption(Option.serverId, isOnProxyPort ? arrival.serverAddress : serverIdFor(request, arrival.serverAddress)),
    textOption(Option.vendorClass, boot.vendorClass),
    ...bootOptions(client, boot, "proxy"),
    ...relayEcho(request),
  ];
  return {
    packet: {
      ...request,
      op: 2,
      hops: 0,
      secs: 0,
      // A client without an address cannot be reached otherwise, and its relay must know that too.
      flags: isOffer ? request.flags | BROADCAST_FLAG : request.flags,
      ciaddr: isOffer ? "0.0.0.0" : request.ciaddr,
      yiaddr: "0.0.0.0",
      ...bootFields(boot, arrival.serverAddress),
      options,
    },
    to: isOnProxyPort ? arrival.source : proxyDestination(request, isOffer),
  };
}

function proxyDestination(request: DhcpPacket, isOffer: boolean): Destination {
  if (isOffer && !isRelayed(request)) return { address: BROADCAST_ADDRESS, port: CLIENT_PORT };
  return destinationOf(request);
}

/** The header fields with boot data: siaddr is never 0, old EDK2 stops at that. */
export function bootFields(
  boot: BootData,
  serverAddress: string,
): { readonly siaddr: string; readonly sname: string; readonly file: string } {
  if (boot.vendorClass === "HTTPClient") return { siaddr: serverAddress, sname: "", file: "" };
  return { siaddr: serverAddress, sname: serverAddress, file: boot.file };
}

/**
 * The boot options behind option 60, in the order that we write them. The file
 * name is in the header; option 67 is for HTTP boot alone (old ROMs read the
 * end mark behind it as part of the name).
 */
export function bootOptions(client: PxeClient, boot: BootData, mode: "proxy" | "full"): DhcpOption[] {
  const options: DhcpOption[] = [];
  if (client.machineId !== undefined) options.push({ code: Option.clientMachineId, data: client.machineId });
  const isRaspberry = client.kind === "raspberry";
  const vendorOptions = isRaspberry ? RASPBERRY_MENU : mode === "proxy" ? pxeVendorOptions(client, boot) : undefined;
  if (vendorOptions !== undefined) options.push({ code: Option.vendorOptions, data: vendorOptions });
  if (boot.vendorClass === "HTTPClient") options.push(textOption(Option.bootFileName, boot.file));
  // no-pxedhcp: iPXE need not wait two seconds for a proxy that does not exist.
  const isIpxe = client.kind === "ours" || client.kind === "ipxe" || client.kind === "small-ipxe";
  if (mode === "full" && isIpxe) {
    options.push({ code: Option.ipxe, data: Uint8Array.of(0xb0, 1, 1) });
  }
  return options;
}

/**
 * What a Raspberry Pi looks for, as dnsmasq sends it: no discovery by broadcast and multicast; a prompt that waits 0 s;
 * a menu with one entry. Without that text its boot program ignores the offer.
 */
const RASPBERRY_MENU = Uint8Array.of(
  ...[6, 1, 3],
  ...[10, 4, 0, ...Buffer.from("PXE")],
  ...[9, 20, 0, 0, 17, ...Buffer.from("Raspberry Pi Boot")],
  255,
);

function pxeVendorOptions(client: PxeClient, boot: BootData): Uint8Array | undefined {
  // Discovery control, bit 3: use the file name of this packet.
  const control = boot.skipsDiscovery ? [6, 1, 8] : [];
  const { bootItem } = client;
  const item =
    bootItem === undefined
      ? []
      : [71, 4, bootItem.type >> 8, bootItem.type & 255, bootItem.layer >> 8, bootItem.layer & 255];
  return control.length + item.length === 0 ? undefined : Uint8Array.of(...control, ...item, 255);
}

/** Option 82 goes back as it came, as the last option (RFC 3046 2.2). */
export function relayEcho(request: DhcpPacket): DhcpOption[] {
  return optionInstances(request, Option.relayAgent).map((data) => ({ code: Option.relayAgent, data }));
}
