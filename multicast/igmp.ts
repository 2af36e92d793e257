import { addressAt, internetChecksum } from "./ipv4.ts";

/**
 * A querier's question: who still listens? Switches learn from the answers which ports want a group; without a querier
 * nobody asks, and they forget it or send it to every port.
 *
 *     at size  field          meaning
 *      0  1    type           0x11
 *      1  1    maxResponse    in tenths of a second; 0 in version 1
 *      2  2    checksum       Internet checksum of the whole message
 *      4  4    group          0.0.0.0 asks about all
 *      8  …    version 3 only, at least 4 bytes
 *
 * Source: RFC 1112, RFC 2236, RFC 3376 (section 7.1 tells the versions apart).
 */
export type IgmpQuery = { readonly version: 1 | 2 | 3; readonly group: string };

const QUERY = 0x11;
const LEAST_BYTES = 8;
const VERSION_3_BYTES = 12;

/** Undefined when the bytes are no query: other IGMP messages, and what is damaged. */
export function decodeIgmpQuery(bytes: Uint8Array): IgmpQuery | undefined {
  if (bytes.length < LEAST_BYTES || bytes[0] !== QUERY || internetChecksum(bytes) !== 0) return undefined;
  if (bytes.length > LEAST_BYTES && bytes.length < VERSION_3_BYTES) return undefined;
  const group = addressAt(bytes, 4);
  if (bytes.length >= VERSION_3_BYTES) return { version: 3, group };
  return { version: bytes[1] === 0 ? 1 : 2, group };
}
