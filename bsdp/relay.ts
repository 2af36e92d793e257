import { addressText } from "./address.ts";
import type { DhcpPacket } from "./dhcp-packet.ts";
import { optionData } from "./dhcp-packet.ts";
import { Option } from "./dhcp-values.ts";

/** What a relay agent adds in option 82 that changes our answer. */
export type RelayInformation = {
  /** Sub-option 5 (RFC 3527): the client's network, where giaddr is not in it. */
  readonly linkSelection?: string;
  /** Sub-option 11 (RFC 5107): what our answers must say in option 54. */
  readonly serverIdOverride?: string;
};

/** Reads option 82. Sub-options that do not fit end the reading: relays pass on what others wrote. */
export function relayInformation(packet: DhcpPacket): RelayInformation {
  const data = optionData(packet, Option.relayAgent) ?? new Uint8Array(0);
  const found = new Map<number, string>();
  for (let at = 0; at + 2 <= data.length; at += 2 + data[at + 1]!) {
    const value = data.subarray(at + 2, at + 2 + data[at + 1]!);
    if (data[at + 1] === 4 && value.length === 4) found.set(data[at]!, addressText(value));
  }
  const linkSelection = found.get(5);
  const serverIdOverride = found.get(11);
  return {
    ...(linkSelection === undefined ? {} : { linkSelection }),
    ...(serverIdOverride === undefined ? {} : { serverIdOverride }),
  };
}

/** True for a packet that a relay passed on. */
export function isRelayed(packet: DhcpPacket): boolean {
  return packet.giaddr !== "0.0.0.0";
}

/** What our answers say in option 54: our address, unless a relay stands in for us. */
export function serverIdFor(request: DhcpPacket, ownAddress: string): string {
  return (isRelayed(request) ? relayInformation(request).serverIdOverride : undefined) ?? ownAddress;
}

/** An address of the network that a relayed client is in (RFC 3527 before giaddr); undefined without a relay. */
export function clientLink(packet: DhcpPacket): string | undefined {
  return isRelayed(packet) ? (relayInformation(packet).linkSelection ?? packet.giaddr) : undefined;
}
