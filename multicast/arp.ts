import { addressAt } from "./ipv4.ts";

/**
 * ARP for IPv4 on Ethernet (RFC 826), as far as asking a machine that is known whether it answers, and how soon.
 *
 *     at size  field              meaning
 *      0  8    kind               0001 0800 06 04, then 1 request or 2 reply
 *      8  6    sender's hardware address
 *     14  4    sender's address
 *     18  6    target's hardware address
 *     24  4    target's address
 */
export type ArpReply = { readonly senderMac: string; readonly sender: string };

const KIND_BYTES = [0, 1, 8, 0, 6, 4, 0] as const;
const REQUEST = 1;
const REPLY = 2;
const ARP_BYTES = 28;

/** @param mac six bytes each, as text with colons */
export function encodeArpRequest(
  from: { mac: string; address: string },
  to: { mac: string; address: string },
): Uint8Array {
  return Uint8Array.from([
    ...KIND_BYTES,
    REQUEST,
    ...macBytes(from.mac),
    ...from.address.split(".").map(Number),
    ...macBytes(to.mac),
    ...to.address.split(".").map(Number),
  ]);
}

/** Undefined when the bytes are no reply. */
export function decodeArpReply(bytes: Uint8Array): ArpReply | undefined {
  if (bytes.length < ARP_BYTES || KIND_BYTES.some((byte, at) => bytes[at] !== byte)) return undefined;
  if (bytes[7] !== REPLY) return undefined;
  const mac = Array.from(bytes.subarray(8, 14), (byte) => byte.toString(16).padStart(2, "0")).join(":");
  return { senderMac: mac, sender: addressAt(bytes, 14) };
}

/** "02:00:00:00:00:01" as its six bytes. */
export function macBytes(mac: string): number[] {
  return mac.split(":").map((byte) => Number.parseInt(byte, 16));
}
