import { addressNumber, addressOfNumber } from "./address.ts";

/** Where magic packets go by UDP: "discard". Cards look at the bytes, not at the port. */
export const WAKE_PORT = 9;

/**
 * The magic packet of Wake-on-LAN: six bytes 0xFF, then the card's address sixteen times, 102 bytes.
 * Source: AMD publication 20213, "Magic Packet Technology".
 *
 * @param mac lower case with colons
 */
export function magicPacket(mac: string): Uint8Array {
  const address = Uint8Array.from(mac.split(":"), (digits) => Number.parseInt(digits, 16));
  const packet = new Uint8Array(6 + 16 * 6).fill(0xff, 0, 6);
  for (let at = 6; at < packet.length; at += 6) packet.set(address, at);
  return packet;
}

/**
 * The address that reaches every machine of a network, also through routers that forward it ("directed broadcast").
 *
 * @returns undefined for a network of one or two addresses, which has none
 */
export function broadcastOf({
  address,
  netmask,
}: {
  readonly address: string;
  readonly netmask: string;
}): string | undefined {
  const mask = addressNumber(netmask);
  if (mask >= 0xffff_fffe) return undefined;
  return addressOfNumber((addressNumber(address) | ~mask) >>> 0);
}

/** "10.20.0.0/16" as address and netmask; the text must be one. */
export function networkOfText(text: string): { readonly address: string; readonly netmask: string } {
  const [address = "", bits = "32"] = text.split("/");
  const mask = bits === "0" ? 0 : (0xffff_ffff << (32 - Number(bits))) >>> 0;
  return { address, netmask: addressOfNumber(mask) };
}
