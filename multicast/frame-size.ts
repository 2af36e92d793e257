import { SYMBOL_BYTES } from "./description.ts";
import { PACKET_HEADER_BYTES } from "./packet.ts";

/** "auto": where the interface has large frames, and until a host shows that they do not reach it. */
export const jumboModes = ["auto", "off"] as const;
export type JumboMode = (typeof jumboModes)[number];

/** IPv4 and UDP. */
const HEADERS_BYTES = 28;
/** What a datagram has in a packet of IP besides its symbol. */
const AROUND_BYTES = HEADERS_BYTES + PACKET_HEADER_BYTES;
/** The largest symbol: with all headers exactly an Ethernet frame of 9000. */
export const LARGEST_SYMBOL_BYTES = 9_000 - AROUND_BYTES;
/** Of an Ethernet frame. */
const ETHERNET_BYTES = 14;
/** Frames that are not much larger than ordinary ones are not worth what can go wrong. */
const LEAST_LARGE_BYTES = 2 * SYMBOL_BYTES;
/** No frame takes longer at the stream's rate: the stream stays even (multicast/pacer.ts). */
const MOST_FRAME_MS = 2;

/** The largest symbol that fits a packet of IP of so many bytes. */
export function symbolBytesOfMtu(mtuBytes: number): number {
  return Math.min(LARGEST_SYMBOL_BYTES, mtuBytes - AROUND_BYTES);
}

/** The packet of IP that a symbol makes. */
export function packetBytesOfSymbol(symbolBytes: number): number {
  return symbolBytes + AROUND_BYTES;
}

/** How large a stream's symbols may be on a link with these packets, at this rate. */
export function symbolBytesOf(link: { readonly mtuBytes: number; readonly rateBytesPerSecond: number }): number {
  const even = Math.floor((link.rateBytesPerSecond * MOST_FRAME_MS) / 1_000) - AROUND_BYTES - ETHERNET_BYTES;
  const most = Math.min(symbolBytesOfMtu(link.mtuBytes), even);
  return most >= LEAST_LARGE_BYTES ? most : SYMBOL_BYTES;
}
