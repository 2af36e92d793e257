/**
 * Decodes Apple Data Compression, the codec of UDCO. A control byte c begins each element:
 *
 *    1nnnnnnn                    n + 1 bytes follow as they are
 *    01nnnnnn dddddddd dddddddd  copy n + 4 bytes from d + 1 bytes before
 *    00nnnndd dddddddd           copy n + 3 bytes from d + 1 bytes before
 *
 * A copy may overlap what it writes. Checked against images of macOS 10.6 by their checksums.
 *
 * @param length of the decoded bytes
 * @returns undefined when `bytes` do not decode to exactly `length`
 */
export function decodeAdc(bytes: Uint8Array, length: number): Uint8Array | undefined {
  const out = new Uint8Array(length);
  let at = 0;
  let filled = 0;
  while (at < bytes.length && filled < length) {
    const control = bytes[at]!;
    if (control & 0x80) {
      const count = (control & 0x7f) + 1;
      if (at + 1 + count > bytes.length || filled + count > length) return undefined;
      out.set(bytes.subarray(at + 1, at + 1 + count), filled);
      at += 1 + count;
      filled += count;
      continue;
    }
    const isLong = (control & 0x40) !== 0;
    const elementBytes = isLong ? 3 : 2;
    if (at + elementBytes > bytes.length) return undefined;
    const count = isLong ? (control & 0x3f) + 4 : ((control & 0x3c) >> 2) + 3;
    const distance = isLong ? (bytes[at + 1]! << 8) | bytes[at + 2]! : ((control & 0x03) << 8) | bytes[at + 1]!;
    const from = filled - distance - 1;
    if (from < 0 || filled + count > length) return undefined;
    for (let index = 0; index < count; index += 1) out[filled + index] = out[from + index]!;
    at += elementBytes;
    filled += count;
  }
  return filled === length ? out : undefined;
}
