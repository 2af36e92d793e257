/**
 * The four bytes of an IPv4 address as text, for example "10.77.0.1".
 *
 * @param bytes at least `at + 4` bytes
 */
export function addressText(bytes: Uint8Array, at = 0): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** True for four decimal numbers 0–255 with dots between them and nothing else. */
export function isAddress(text: string): boolean {
  return /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(text);
}

/**
 * An IPv4 address as a number from 0 to 2^32 - 1, so that addresses can be
 * counted and compared. The text must be one (`isAddress`).
 */
export function addressNumber(text: string): number {
  return text.split(".").reduce((number, part) => number * 256 + Number(part), 0);
}

/** The inverse of `addressNumber`. */
export function addressOfNumber(number: number): string {
  return `${number >>> 24}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`;
}

/** True for an address that one machine on a network can have: not "this network", loopback, multicast or broadcast. */
export function isMachineAddress(address: string): boolean {
  const first = addressNumber(address) >>> 24;
  return first > 0 && first !== 127 && first < 224;
}

/** The four bytes of an IPv4 address on the wire. The text must be one (`isAddress`). */
export function addressBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split("."), Number);
}

/** True when both addresses lie in the network that `netmask` cuts out. */
export function inSameNetwork(one: string, other: string, netmask: string): boolean {
  const mask = addressNumber(netmask);
  return (addressNumber(one) & mask) === (addressNumber(other) & mask);
}

/** A hardware address as the project writes it: lower case with colons. */
export function macText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}
