/** Where a datagram goes to or came from: the address as a number, network order read as big-endian. */
export type IPv4Peer = { readonly ip: number; readonly port: number };

export function ipv4Peer(address: string, port: number): IPv4Peer {
  const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
  return { ip: ((a << 24) | (b << 16) | (c << 8) | d) >>> 0, port };
}

/** A peer as one exact number, to find it by. */
export const peerNumber = (ip: number, port: number): number => ip * 0x10000 + port;
