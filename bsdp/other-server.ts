import type { DhcpPacket } from "./dhcp-packet.ts";
import { optionAddress, optionData } from "./dhcp-packet.ts";
import { MessageType, messageTypeOf, Option } from "./dhcp-values.ts";

/** What another server's answer to a client tells about that server. */
export type OtherServer = {
  readonly server: string;
  /** It gives out addresses. */
  readonly givesAddresses: boolean;
  /** It tells machines what to boot: firmware may then never look at us. The file may have no name. */
  readonly boots?: { readonly file: string; readonly vendorClass: string };
};

/**
 * Reads an OFFER or ACK that was seen on the wire.
 *
 * @param source who sent it
 * @param ownAddresses our own, on all interfaces
 * @returns undefined for our own answers and for anything else
 */
export function otherServerOf(
  packet: DhcpPacket,
  source: string,
  ownAddresses: readonly string[],
): OtherServer | undefined {
  const type = messageTypeOf(packet);
  if (packet.op !== 2 || (type !== MessageType.offer && type !== MessageType.ack)) return undefined;
  const server = optionAddress(packet, Option.serverId) ?? source;
  if (ownAddresses.includes(server) || ownAddresses.includes(source)) return undefined;
  const vendorClass = textOf(optionData(packet, Option.vendorClass));
  const file = textOf(optionData(packet, Option.bootFileName)) || packet.file;
  const isBootClass = /^(PXEClient|HTTPClient|AAPLBSDPC)/.test(vendorClass);
  return {
    server,
    givesAddresses: packet.yiaddr !== "0.0.0.0",
    ...(isBootClass || file !== "" ? { boots: { file, vendorClass } } : {}),
  };
}

/** Text of an option, without the NUL that some servers put behind it. */
function textOf(data: Uint8Array | undefined): string {
  return data === undefined ? "" : Buffer.from(data).toString("latin1").replace(/\0.*$/s, "");
}
