import type { Logger } from "pino";
import type { DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { clientMac, encodeDhcpPacket, optionData } from "../../bsdp/dhcp-packet.ts";
import { numberOf2, Option } from "../../bsdp/dhcp-values.ts";
import type { Destination } from "../../bsdp/reply-destination.ts";
import { Fault } from "../../fault.ts";
import type { DhcpJournal } from "./journal.ts";

/** What to send, and where. */
export type Answer = { readonly bytes: Uint8Array; readonly to: Destination };

/** Bytes of a packet besides the payload that option 57 counts. */
const IP_UDP_BYTES = 28;

/** The bytes of a reply; undefined, and told, when it is longer than the client can take. */
export function writeReply(
  request: DhcpPacket,
  packet: DhcpPacket,
  { log, journal, maximumBytes = roomFor(request) }: { log: Logger; journal: DhcpJournal; maximumBytes?: number },
): Uint8Array | undefined {
  try {
    return encodeDhcpPacket(packet, { maximumBytes });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    log.error({ ...error.toJSON(), mac: clientMac(request) }, "an answer could not be written");
    return journal.drop(error.code, request, true);
  }
}

// Option 57 counts the headers; firmware says 0xff00 in places where it means "as much as Ethernet".
function roomFor(request: DhcpPacket): number {
  const data = optionData(request, Option.maxMessageSize);
  const size = data?.length === 2 ? numberOf2(data) : 576;
  return Math.min(Math.max(size, 576), 1472) - IP_UDP_BYTES;
}
