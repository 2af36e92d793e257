import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";

/** IP header with options, UDP and TFTP header, with room to spare; dnsmasq leaves as much. */
const headerBytes = 32;

/**
 * The largest block that leaves the interface with this address in one piece; undefined when the system does not say.
 * Linux only: node:os does not tell the MTU.
 */
export async function linkBlockSize(address: string): Promise<number | undefined> {
  const entry = Object.entries(networkInterfaces()).find(([, list]) => list?.some((one) => one.address === address));
  if (entry === undefined) return undefined;
  try {
    const mtu = Number(await readFile(`/sys/class/net/${entry[0]}/mtu`, "utf8"));
    return mtu > headerBytes + 512 ? mtu - headerBytes : undefined;
  } catch {
    return undefined;
  }
}
