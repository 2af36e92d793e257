/**
 * The CRC-32 of what `crc` is of, followed by `length` zero bytes: in 53 steps
 * at most, so that a disk that claims petabytes of zeros is checked at once.
 *
 * Appending a zero byte is a linear map of the CRC's 32 bits, and appending
 * 2^n of them is that map squared n times (as zlib's crc32_combine does it).
 */
export function crc32WithZeros(crc: number, length: number): number {
  let state = ~crc >>> 0;
  let map = ONE_ZERO_BYTE;
  for (let left = length; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) state = apply(map, state);
    map = map.map((column) => apply(map, column));
  }
  return ~state >>> 0;
}

/** CRC-32's polynomial, IEEE 802.3, bits reversed. */
const POLYNOMIAL = 0xedb88320;

/** Where each bit of the state goes when a zero byte comes. */
const ONE_ZERO_BYTE: readonly number[] = Array.from({ length: 32 }, (_, bit) => {
  let state = (1 << bit) >>> 0;
  for (let shift = 0; shift < 8; shift += 1) state = ((state >>> 1) ^ (state & 1 ? POLYNOMIAL : 0)) >>> 0;
  return state;
});

function apply(map: readonly number[], state: number): number {
  let result = 0;
  for (let bit = 0; bit < 32; bit += 1) if ((state >>> bit) & 1) result ^= map[bit]!;
  return result >>> 0;
}
