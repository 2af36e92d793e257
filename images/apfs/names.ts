/** How a volume compares names: Apple File System Reference, "Volume Features". */
export type NameRule = { readonly isCaseSensitive: boolean };

const POLYNOMIAL = 0x82f6_3b78;
const HASH_MASK = 0x3f_ffff;
const HASH_SHIFT = 10;

/**
 * Length and hash of a name as they stand in front of it (j_drec_hashed_key_t): CRC-32C of its letters, four bytes
 * each, from all ones and not inverted at the end; its lowest 22 bits, and the length with the closing zero.
 *
 * @param name ASCII only: that is its own normal form
 */
export function lengthAndHashOf(name: string, { isCaseSensitive }: NameRule): number {
  let hash = 0xffff_ffff;
  for (const letter of isCaseSensitive ? name : name.toLowerCase())
    for (const byte of [letter.charCodeAt(0), 0, 0, 0]) hash = crcStep(hash, byte);
  return (((hash & HASH_MASK) << HASH_SHIFT) | (name.length + 1)) >>> 0;
}

function crcStep(before: number, byte: number): number {
  let crc = before ^ byte;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
  return crc >>> 0;
}

/** Whether two names are one on such a volume. */
export function isSameName(one: string, other: string, { isCaseSensitive }: NameRule): boolean {
  return isCaseSensitive ? one === other : one.toLowerCase() === other.toLowerCase();
}
