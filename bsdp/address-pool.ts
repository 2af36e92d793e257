import { addressNumber, addressOfNumber, inSameNetwork, isAddress } from "./address.ts";

/** First and last address, both given out. */
export type AddressPool = { readonly first: string; readonly last: string };

/** A pool as people write it. */
export type WrittenPool = AddressPool & {
  /** Of its network; needed when that is not the network of an interface. */
  readonly netmask?: string;
  /** The default router of its clients; without it that is the relay. */
  readonly router?: string;
};

/**
 * Reads "10.77.0.50-10.77.0.99", and for a network behind a relay "10.1.0.50-10.1.0.99/24 via 10.1.0.1".
 *
 * @returns undefined when it is no range of addresses in one network
 */
export function parsePool(text: string): WrittenPool | undefined {
  const match = /^\s*([\d.]+)\s*-\s*([\d.]+)\s*(?:\/(\d{1,2})\s*(?:\s+via\s+([\d.]+)\s*)?)?$/.exec(text);
  const [, first = "", last = "", prefix, router] = match ?? [];
  if (!isAddress(first) || !isAddress(last) || addressNumber(first) > addressNumber(last)) return undefined;
  if (prefix === undefined) return { first, last };
  const bits = Number(prefix);
  if (bits < 8 || bits > 30) return undefined;
  const netmask = addressOfNumber((0xffff_ffff << (32 - bits)) >>> 0);
  if (!inSameNetwork(first, last, netmask)) return undefined;
  if (router === undefined) return { first, last, netmask };
  return isAddress(router) && inSameNetwork(first, router, netmask) ? { first, last, netmask, router } : undefined;
}

/** How many addresses it has. */
export function poolSize({ first, last }: AddressPool): number {
  return addressNumber(last) - addressNumber(first) + 1;
}
