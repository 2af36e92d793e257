import { addressBytes } from "./address.ts";
import type { DhcpOption, DhcpPacket } from "./dhcp-packet.ts";
import { optionData } from "./dhcp-packet.ts";

/** Option codes by the names of RFC 2132 and its followers. */
export const Option = {
  subnetMask: 1,
  router: 3,
  dnsServers: 6,
  hostName: 12,
  rootPath: 17,
  broadcastAddress: 28,
  vendorOptions: 43,
  requestedAddress: 50,
  leaseTime: 51,
  messageType: 53,
  serverId: 54,
  parameterList: 55,
  message: 56,
  maxMessageSize: 57,
  renewalTime: 58,
  rebindingTime: 59,
  vendorClass: 60,
  clientId: 61,
  bootFileName: 67,
  userClass: 77,
  relayAgent: 82,
  clientArch: 93,
  clientMachineId: 97,
  ipxe: 175,
} as const;

/** The values of option 53 (RFC 2132 9.6). */
export const MessageType = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
} as const;

const names = ["?", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM"];

/** Option 53, or undefined when it is missing, too long, or not one of the eight. */
export function messageTypeOf(packet: DhcpPacket): number | undefined {
  const data = optionData(packet, Option.messageType);
  const type = data?.length === 1 ? data[0]! : 0;
  return type >= 1 && type <= 8 ? type : undefined;
}

/** A message type as people write it: "DISCOVER". */
export function messageTypeName(type: number | undefined): string {
  return names[type ?? 0] ?? "?";
}

/** An option of one byte. */
export const byteOption = (code: number, value: number): DhcpOption => ({ code, data: Uint8Array.of(value) });

/** An option of one or more IPv4 addresses as text. */
export const addressOption = (code: number, ...addresses: readonly string[]): DhcpOption => ({
  code,
  data: Uint8Array.from(addresses.flatMap((address) => [...addressBytes(address)])),
});

/** An option of text, UTF-8 without an end mark. */
export const textOption = (code: number, text: string): DhcpOption => ({ code, data: new TextEncoder().encode(text) });

/** An option of four bytes, most significant first. */
export function numberOption(code: number, value: number): DhcpOption {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, value);
  return { code, data };
}

/** The two bytes of a number option at `at`, most significant first. */
export const numberOf2 = (bytes: Uint8Array, at = 0): number => (bytes[at]! << 8) | bytes[at + 1]!;
