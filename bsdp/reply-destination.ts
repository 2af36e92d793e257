import type { DhcpPacket } from "./dhcp-packet.ts";
import { isRelayed } from "./relay.ts";

/** Where a packet goes. Our own port is the one that the request came to: clients drop others. */
export type Destination = { readonly address: string; readonly port: number };

/** RFC 2131 section 4.1. */
export const SERVER_PORT = 67;
/** RFC 2131 section 4.1. */
export const CLIENT_PORT = 68;
/** Where a PXE client asks the boot server (PXE 2.1 section 2.2.1). */
export const PROXY_PORT = 4011;
/** Everybody on this wire (RFC 919). */
export const BROADCAST_ADDRESS = "255.255.255.255";

/**
 * Where the answer to a packet from port 67 goes (RFC 2131 4.1). Instead of a
 * unicast to an address that the client does not have yet, which needs a raw
 * frame, it is broadcast: that always reaches the client.
 */
export function destinationOf(request: DhcpPacket): Destination {
  if (isRelayed(request)) return { address: request.giaddr, port: SERVER_PORT };
  if (request.ciaddr !== "0.0.0.0") return { address: request.ciaddr, port: CLIENT_PORT };
  return { address: BROADCAST_ADDRESS, port: CLIENT_PORT };
}
