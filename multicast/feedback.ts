import { crc32 } from "node:zlib";
import type { PacketFormat } from "./packet.ts";

/**
 * What a receiver asks the sender for: one datagram by unicast to the port
 * that the control connection names. It may be lost; what is still missing is
 * asked for again.
 *
 *     at size  field           meaning
 *      0  1    kind            0xB5
 *      1  1    count           of the entries
 *      2  2    zero            ignored
 *      4  4    stream          as in a packet
 *      8  8    receiver        the first 8 bytes of the receiver's id, which only it and the sender know
 *     16  4    newest          sequence number of the newest datagram that arrived: what the sender sent
 *                              after it may still help
 *     20  4    checksum        as in a packet
 *     24  …    entries         of 7 bytes: first block (4), number of blocks (2), symbols that each lacks (1)
 *
 * All integers are big-endian.
 */
export type Feedback = {
  /** 16 lower-case hex digits. */
  readonly receiver: string;
  readonly newest: number;
  readonly wishes: readonly Wish[];
};

/** `count` blocks from `block` on lack `lacking` symbols each, 1 to 255. */
export type Wish = { readonly block: number; readonly count: number; readonly lacking: number };

const KIND = 0xb5;
const HEADER_BYTES = 24;
const ENTRY_BYTES = 7;
const checksumAt = 20;
const zeroChecksum = new Uint8Array(4);

/** As many wishes fit a frame of 1500 bytes. */
export const MOST_WISHES = 206;
export const MOST_BLOCKS_A_WISH = 0xffff;

/** @param feedback with at most MOST_WISHES wishes */
export function encodeFeedback(feedback: Feedback, format: PacketFormat): Uint8Array {
  const { wishes } = feedback;
  const bytes = Buffer.alloc(HEADER_BYTES + wishes.length * ENTRY_BYTES);
  bytes[0] = KIND;
  bytes[1] = wishes.length;
  bytes.writeUInt32BE(format.stream, 4);
  bytes.write(feedback.receiver, 8, 8, "hex");
  bytes.writeUInt32BE(feedback.newest, 16);
  for (const [at, { block, count, lacking }] of wishes.entries()) {
    const offset = HEADER_BYTES + at * ENTRY_BYTES;
    bytes.writeUInt32BE(block, offset);
    bytes.writeUInt16BE(count, offset + 4);
    bytes[offset + 6] = lacking;
  }
  bytes.writeUInt32BE(crc32(bytes, format.checksumSeed), checksumAt);
  return bytes;
}

/** Undefined when the bytes are no feedback of this stream: anybody can send to a port. */
export function decodeFeedback(bytes: Uint8Array, format: PacketFormat): Feedback | undefined {
  if (bytes.length < HEADER_BYTES || bytes[0] !== KIND) return undefined;
  if (bytes.length !== HEADER_BYTES + bytes[1]! * ENTRY_BYTES || bytes[1]! > MOST_WISHES) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.readUInt32BE(4) !== format.stream) return undefined;
  const behind = bytes.subarray(checksumAt + 4);
  const checksum = crc32(behind, crc32(zeroChecksum, crc32(bytes.subarray(0, checksumAt), format.checksumSeed)));
  if (checksum !== view.readUInt32BE(checksumAt)) return undefined;
  const wishes: Wish[] = [];
  for (let offset = HEADER_BYTES; offset < bytes.length; offset += ENTRY_BYTES) {
    const wish = {
      block: view.readUInt32BE(offset),
      count: view.readUInt16BE(offset + 4),
      lacking: bytes[offset + 6]!,
    };
    if (wish.count > 0 && wish.lacking > 0) wishes.push(wish);
  }
  return { receiver: view.toString("hex", 8, 16), newest: view.readUInt32BE(16), wishes };
}
