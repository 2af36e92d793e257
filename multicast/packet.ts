import { crc32 } from "node:zlib";

/**
 * One datagram of a stream: 28 bytes of header, then exactly `symbolBytes` of
 * payload, so that all datagrams of a stream have one size (UDP_SEGMENT and
 * UDP_GRO need that) and fit an Ethernet frame unfragmented.
 *
 *     at size  field           meaning
 *      0  1    version         0xB1
 *      1  1    kind            0 symbol, 1 canary
 *      2  1    symbol          below k: source symbol of the block; from k: parity row symbol - k
 *      3  1    plannedParity   parity symbols that the sender means to send for this block, so far
 *      4  8    streamId        random for each stream
 *     12  4    block
 *     16  4    sequence        counts every datagram of the stream, wraps
 *     20  4    sendTimeUs      sender's clock in microseconds, wraps; only differences mean something
 *     24  4    checksum        zlib's CRC-32 over the whole datagram with these four bytes zero
 *     28  …    payload         a symbol, or zeros in a canary
 *
 * All integers are big-endian. A canary says that the group arrives, before
 * there is anything to receive; it is as long as a symbol, so it proves the MTU too.
 *
 * The checksum finds accidents (UDP's own 16 bits are not enough for terabytes).
 * What is forged is found by the cells' hashes in the signed manifest.
 */
export type Packet = {
  readonly kind: PacketKind;
  readonly symbol: number;
  readonly plannedParity: number;
  readonly block: number;
  readonly sequence: number;
  readonly sendTimeUs: number;
  /** A view into the datagram, not a copy. */
  readonly payload: Uint8Array;
};

export const PacketKind = { symbol: 0, canary: 1 } as const;
export type PacketKind = (typeof PacketKind)[keyof typeof PacketKind];

const PACKET_VERSION = 0xb1;
export const PACKET_HEADER_BYTES = 28;

/** What a datagram costs on the wire besides itself: IPv4 20, UDP 8, Ethernet 14. */
export const FRAME_BYTES = 42;

/** What every datagram of one stream has in common. */
export type PacketFormat = {
  /** The stream id as two 32-bit halves: comparing numbers is cheaper than strings. */
  readonly streamHigh: number;
  readonly streamLow: number;
  readonly symbolBytes: number;
};

/** Why a datagram was dropped. "other-stream" is normal where two streams share a group. */
export const dropReasons = ["wrong-size", "wrong-version", "other-stream", "wrong-kind", "wrong-checksum"] as const;
export type DropReason = (typeof dropReasons)[number];

const checksumAt = 24;
const zeroChecksum = new Uint8Array(4);

/** The format of the stream with id `streamId` (16 hex digits, as in its description). */
export function packetFormat(description: { readonly streamId: string; readonly symbolBytes: number }): PacketFormat {
  return {
    streamHigh: Number.parseInt(description.streamId.slice(0, 8), 16),
    streamLow: Number.parseInt(description.streamId.slice(8), 16),
    symbolBytes: description.symbolBytes,
  };
}

/** Makes one datagram. A payload shorter than a symbol is padded with zeros; a longer one is a mistake of ours. */
export function encodePacket(packet: Packet, format: PacketFormat): Uint8Array {
  const bytes = new Uint8Array(PACKET_HEADER_BYTES + format.symbolBytes);
  bytes.set(packet.payload, PACKET_HEADER_BYTES);
  bytes[0] = PACKET_VERSION;
  bytes[1] = packet.kind;
  bytes[2] = packet.symbol;
  bytes[3] = packet.plannedParity;
  const view = new DataView(bytes.buffer);
  view.setUint32(4, format.streamHigh);
  view.setUint32(8, format.streamLow);
  view.setUint32(12, packet.block);
  view.setUint32(16, packet.sequence);
  view.setUint32(20, packet.sendTimeUs);
  view.setUint32(checksumAt, crc32(bytes));
  return bytes;
}

/**
 * Reads one datagram, or says why it is none of this stream's.
 *
 * Returns the reason as a word instead of throwing a Fault: anybody can send to
 * a group, and an exception for every stray datagram would cost more than the
 * datagram. Tests are ordered by price, the checksum last.
 */
export function decodePacket(bytes: Uint8Array, format: PacketFormat): Packet | DropReason {
  if (bytes.length !== PACKET_HEADER_BYTES + format.symbolBytes) return "wrong-size";
  if (bytes[0] !== PACKET_VERSION) return "wrong-version";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(4) !== format.streamHigh || view.getUint32(8) !== format.streamLow) return "other-stream";
  const kind = bytes[1]!;
  if (kind !== PacketKind.symbol && kind !== PacketKind.canary) return "wrong-kind";
  const payload = bytes.subarray(PACKET_HEADER_BYTES);
  const checksum = crc32(payload, crc32(zeroChecksum, crc32(bytes.subarray(0, checksumAt))));
  if (checksum !== view.getUint32(checksumAt)) return "wrong-checksum";
  return {
    kind,
    symbol: bytes[2]!,
    plannedParity: bytes[3]!,
    block: view.getUint32(12),
    sequence: view.getUint32(16),
    sendTimeUs: view.getUint32(20),
    payload,
  };
}
