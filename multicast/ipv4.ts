/** What the checks of a network need of an IPv4 packet (RFC 791). */
export type IPv4Packet = {
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  /** What follows the header, as far as `bytes` went: a view. */
  readonly payload: Uint8Array;
};

export const IPProtocol = { igmp: 2, udp: 17 } as const;

const LEAST_HEADER_BYTES = 20;
const FRAGMENT_OFFSET = 0x1fff;

/** Undefined when the bytes are no IPv4 packet, or not the first piece of one: anything may be on a wire. */
export function decodeIPv4(bytes: Uint8Array): IPv4Packet | undefined {
  if (bytes.length < LEAST_HEADER_BYTES || bytes[0]! >> 4 !== 4) return undefined;
  const headerBytes = (bytes[0]! & 15) * 4;
  if (headerBytes < LEAST_HEADER_BYTES || bytes.length < headerBytes) return undefined;
  const totalBytes = (bytes[2]! << 8) | bytes[3]!;
  if (totalBytes < headerBytes) return undefined;
  if ((((bytes[6]! << 8) | bytes[7]!) & FRAGMENT_OFFSET) !== 0) return undefined;
  return {
    protocol: bytes[9]!,
    source: addressAt(bytes, 12),
    destination: addressAt(bytes, 16),
    // What is shorter than Ethernet's least frame has padding behind it.
    payload: bytes.subarray(headerBytes, totalBytes),
  };
}

/** The port that a UDP packet goes to; undefined when there is not even that much of it. */
export function udpPortOf({ payload }: IPv4Packet): number | undefined {
  return payload.length < 4 ? undefined : (payload[2]! << 8) | payload[3]!;
}

/** The Internet checksum (RFC 1071): 0 over bytes that hold their own. */
export function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export function addressAt(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}
