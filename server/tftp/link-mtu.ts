import { linkMtu } from "../../udp/link-mtu.ts";

/** IP header with options, UDP and TFTP header, with room to spare; dnsmasq leaves as much. */
const headerBytes = 32;

/** The largest block that leaves the interface with this address in one piece; undefined when the system does not say. */
export async function linkBlockSize(address: string): Promise<number | undefined> {
  const mtu = await linkMtu(address);
  return mtu !== undefined && mtu > headerBytes + 512 ? mtu - headerBytes : undefined;
}
