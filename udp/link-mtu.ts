import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";

/**
 * What the interface with this own address carries in one packet of IP; undefined when the system does not say.
 * Linux only: node:os does not tell it.
 */
export async function linkMtu(address: string): Promise<number | undefined> {
  const entry = Object.entries(networkInterfaces()).find(([, list]) => list?.some((one) => one.address === address));
  if (entry === undefined) return undefined;
  try {
    const mtuBytes = Number(await readFile(`/sys/class/net/${entry[0]}/mtu`, "latin1"));
    return mtuBytes > 0 ? mtuBytes : undefined;
  } catch {
    return undefined;
  }
}
