import { crc32 } from "node:zlib";

/**
 * One datagram of a stream: 20 bytes of header, then exactly `symbolBytes` of
 * payload, so that all datagrams of a stream have one size (UDP_SEGMENT and
 * UDP_GRO need that) and fit an Ethernet frame unfragmented.
 *
 *     at size  field           meaning
 *      0  1    kind            0xB5 symbol, 0xB6 repair, 0xB7 canary
 *      1  1    symbol          below k: source symbol of the block; from k: parity symbol (multicast/parity.ts).
 *                              Of a canary: the high byte of the next field
 *      2  1    plannedParity   parity symbols sent or queued for this block so far; 255: 255 or more.
 *                              Of a canary: over how long receivers spread their requests, in 10 ms
 *      3  3    block           of a canary: every block below it that anybody needs has been sent
 *      6  2    sendTime        sender's clock in tenths of a millisecond, wraps; only differences mean something
 *      8  4    stream          the first half of the stream id
 *     12  4    sequence        counts every datagram of the stream, wraps
 *     16  4    checksum        zlib's CRC-32 over the second half of the stream id (4 bytes), then the whole
 *                              datagram with these four bytes zero
 *     20  …    payload         a symbol. In a canary zeros; but where everything was sent (block is their number) it
 *                              begins with the sender's signature of the pause (multicast/tail-proofs.ts)
 *
 * All integers are big-endian. A symbol belongs to a pass, which goes through the blocks in ascending order; a
 * repair is a further symbol of a block that some receiver could not complete. A canary shows that the group arrives
 * before there is anything to receive (it is as long as a symbol, so it proves the MTU too), and later that the
 * sender waits for requests.
 *
 * The stream id is random for each stream. Its second half is only in the checksum: so 1452 bytes of 1472 are payload.
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
  readonly sendTimeTenthsMs: number;
  /** A view into the datagram, not a copy. */
  readonly payload: Uint8Array;
};

export const PacketKind = { symbol: 0xb5, repair: 0xb6, canary: 0xb7 } as const;
export type PacketKind = (typeof PacketKind)[keyof typeof PacketKind];

export const PACKET_HEADER_BYTES = 20;
/** A stream's blocks are numbered in three bytes. */
export const MOST_BLOCKS = 2 ** 24 - 1;
/** A canary's `symbol` and `plannedParity` together count in this. */
export const TAIL_PAUSE_UNIT_MS = 10;

/** What a datagram costs on the wire besides itself: IPv4 20, UDP 8, Ethernet 14. */
export const FRAME_BYTES = 42;

/** What every datagram of one stream has in common. */
export type PacketFormat = {
  /** The first half of the stream id: what every datagram shows. */
  readonly stream: number;
  /** The CRC-32 of its second half: what every checksum begins with. */
  readonly checksumSeed: number;
  readonly symbolBytes: number;
};

/** Why a datagram was dropped. "other-stream" is normal where two streams share a group. */
export const dropReasons = ["wrong-size", "wrong-kind", "other-stream", "wrong-checksum"] as const;
export type DropReason = (typeof dropReasons)[number];

const blockAt = 3;
const timeAt = 6;
const streamAt = 8;
const sequenceAt = 12;
const checksumAt = 16;

/** The format of the stream with id `streamId` (16 hex digits, as in its description). */
export function packetFormat(description: { readonly streamId: string; readonly symbolBytes: number }): PacketFormat {
  const id = Buffer.from(description.streamId, "hex");
  return {
    stream: id.readUInt32BE(0),
    checksumSeed: crc32(id.subarray(4)),
    symbolBytes: description.symbolBytes,
  };
}

/** Makes one datagram. A payload shorter than a symbol is padded with zeros; a longer one is a mistake of ours. */
export function encodePacket(packet: Packet, format: PacketFormat): Uint8Array {
  const bytes = new Uint8Array(PACKET_HEADER_BYTES + format.symbolBytes);
  write(bytes, packet, packet.sendTimeTenthsMs, format, 0);
  return bytes;
}

/**
 * Puts a packet into `bytes`, which have its length, as if it were sent at time 0: `PacketStamp` puts the time in.
 *
 * @param at where it is in a row of packets that begins with `packet`, whose payload is then that of all, end to end
 */
export function writePacket(
  bytes: Uint8Array,
  packet: Omit<Packet, "sendTimeTenthsMs">,
  format: PacketFormat,
  at = 0,
): void {
  write(bytes, packet, 0, format, at);
}

function write(
  bytes: Uint8Array,
  { kind, symbol, plannedParity, block, sequence, payload }: Omit<Packet, "sendTimeTenthsMs">,
  sendTimeTenthsMs: number,
  { stream, symbolBytes, checksumSeed }: PacketFormat,
  at: number,
): void {
  bytes[0] = kind;
  bytes[1] = symbol + at;
  bytes[2] = plannedParity;
  bytes[blockAt] = block >>> 16;
  bytes[blockAt + 1] = block >>> 8;
  bytes[blockAt + 2] = block;
  bytes[timeAt] = sendTimeTenthsMs >> 8;
  bytes[timeAt + 1] = sendTimeTenthsMs;
  writeWord(bytes, streamAt, stream);
  writeWord(bytes, sequenceAt, sequence + at);
  writeWord(bytes, checksumAt, 0);
  const from = at * symbolBytes;
  // Not by `set`: into memory that threads share it goes byte by byte, and takes four times as long.
  const copied = copyBytes.call(payload, bytes, PACKET_HEADER_BYTES, from, from + symbolBytes);
  if (copied < symbolBytes) bytes.fill(0, PACKET_HEADER_BYTES + copied);
  writeWord(bytes, checksumAt, crc32(bytes, checksumSeed));
}

const copyBytes = Buffer.prototype.copy;

/**
 * Puts the time into packets that `writePacket` wrote, without reading the rest of them: what bits of the time change in
 * a CRC-32 is the same whatever the other bytes are.
 */
export class PacketStamp {
  /** What the checksum is changed by, for each value of the time's high byte, then of its low byte. */
  readonly #changes = new Uint32Array(512);

  constructor({ symbolBytes }: PacketFormat) {
    const bytes = new Uint8Array(PACKET_HEADER_BYTES + symbolBytes);
    const without = crc32(bytes);
    for (let at = 0; at < 512; at += 1) {
      const place = timeAt + (at >> 8);
      bytes[place] = at;
      this.#changes[at] = crc32(bytes) ^ without;
      bytes[place] = 0;
    }
  }

  stamp(bytes: Uint8Array, sendTimeTenthsMs: number): void {
    const high = (sendTimeTenthsMs >> 8) & 0xff;
    const low = sendTimeTenthsMs & 0xff;
    bytes[timeAt] = high;
    bytes[timeAt + 1] = low;
    const change = this.#changes[high]! ^ this.#changes[256 + low]!;
    writeWord(bytes, checksumAt, readWord(bytes, checksumAt) ^ change);
  }
}

// Without a DataView: one for each datagram costs more than the bytes.
function writeWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function readWord(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
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
  const kind = bytes[0]!;
  if (kind !== PacketKind.symbol && kind !== PacketKind.repair && kind !== PacketKind.canary) return "wrong-kind";
  if (readWord(bytes, streamAt) !== format.stream) return "other-stream";
  const said = readWord(bytes, checksumAt);
  // Zero for a moment, so that one call does it: two more for each datagram cost half as much again.
  writeWord(bytes, checksumAt, 0);
  const checksum = crc32(bytes, format.checksumSeed);
  writeWord(bytes, checksumAt, said);
  if (checksum !== said) return "wrong-checksum";
  return {
    kind,
    symbol: bytes[1]!,
    plannedParity: bytes[2]!,
    block: (bytes[blockAt]! << 16) | (bytes[blockAt + 1]! << 8) | bytes[blockAt + 2]!,
    sequence: readWord(bytes, sequenceAt),
    sendTimeTenthsMs: (bytes[timeAt]! << 8) | bytes[timeAt + 1]!,
    payload: bytes.subarray(PACKET_HEADER_BYTES),
  };
}
