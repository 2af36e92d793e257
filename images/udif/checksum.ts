import { udifFault } from "./faults.ts";

/** How a checksum is computed. Others than CRC-32 are rare and were not seen in any image. */
const CHECKSUM_NONE = 0;
const CHECKSUM_CRC32 = 2;

/** `type u32, bits u32, 128 bytes`: of a CRC-32 the first four count, the others may be anything. */
export const CHECKSUM_BYTES = 136;

export type UdifChecksum = { readonly type: number; readonly crc32: number };

export function decodeChecksum(view: DataView, at: number): UdifChecksum {
  return { type: view.getUint32(at), crc32: view.getUint32(at + 8) };
}

/** Writes one; the other 124 bytes stay as they are. */
export function encodeChecksum(bytes: Buffer, at: number, crc32: number): void {
  bytes.writeUInt32BE(CHECKSUM_CRC32, at);
  bytes.writeUInt32BE(32, at + 4);
  bytes.writeUInt32BE(crc32, at + 8);
}

/** Whether there is one at all, of any kind. */
export function isPresent({ type }: UdifChecksum): boolean {
  return type !== CHECKSUM_NONE;
}

/**
 * Whether there is something to compare with.
 *
 * @param name what it is a checksum of, for the message
 * @throws {Fault} UDIF_CHECKSUM_KIND
 */
export function hasChecksum({ type }: UdifChecksum, name: string): boolean {
  if (type === CHECKSUM_NONE) return false;
  if (type === CHECKSUM_CRC32) return true;
  throw udifFault(
    "UDIF_CHECKSUM_KIND",
    `The checksum of ${name} cannot be checked.`,
    `It is of kind ${type}; bootcast computes CRC-32, which is what macOS writes.`,
    'Use "hdiutil verify" on a Mac, or take the image without a check of its checksums.',
  );
}

/** @throws {Fault} UDIF_CHECKSUM when `crc32` is not what the image says */
export function compareChecksum(expected: UdifChecksum, crc32: number, name: string): void {
  if (expected.crc32 === crc32) return;
  throw udifFault(
    "UDIF_CHECKSUM",
    `The .dmg is damaged: the checksum of ${name} is wrong.`,
    `It is ${hex(crc32)} and should be ${hex(expected.crc32)}.`,
  );
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
