import { readFile } from "node:fs/promises";

/** linux/if_arp.h: the entry has a hardware address. */
const ATF_COM = 2;

/** The neighbours whose hardware address the system knows, by their IPv4 address. Empty where there is no such table. */
export async function readNeighbours(): Promise<ReadonlyMap<string, string>> {
  const text = await readFile("/proc/net/arp", "latin1").catch(() => "");
  const found = new Map<string, string>();
  for (const line of text.split("\n").slice(1)) {
    const [address, , flags, mac] = line.split(/\s+/);
    if (address !== undefined && mac !== undefined && (Number(flags) & ATF_COM) !== 0) found.set(address, mac);
  }
  return found;
}
