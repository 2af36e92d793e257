/**
 * How many bytes an .xz stream says it unpacks to, by its LZMA2 chunk headers;
 * undefined when `bytes` are not exactly one sound stream of LZMA2.
 *
 * The library that unpacks it returns all that a piece of input makes, at
 * once: a few KiB can make many GiB. So the sum is known before it starts.
 *
 * Source: "The .xz File Format" 1.2.1 (tukaani.org), sections 2 to 4, and liblzma's lzma2_decoder.c.
 */
export function xzPlainBytes(bytes: Uint8Array): number | undefined {
  if (bytes.length < HEADER_BYTES + FOOTER_BYTES || !MAGIC.every((byte, index) => bytes[index] === byte))
    return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const checkBytes = CHECK_BYTES[bytes[7]! & 0x0f]!;
  let plainBytes = 0;
  try {
    let at = HEADER_BYTES;
    while (view.getUint8(at) !== 0) {
      // Block header: real size / 4 - 1 in its first byte.
      const dataAt = at + (view.getUint8(at) + 1) * 4;
      const block = lzma2Size(view, dataAt);
      if (block === undefined) return undefined;
      plainBytes += block.plainBytes;
      // The data is padded to four bytes, then comes the check.
      at += Math.ceil((block.end - at) / 4) * 4 + checkBytes;
    }
    // At `at` begins the index; the footer says how long it is.
    const footerAt = bytes.length - FOOTER_BYTES;
    const indexBytes = (view.getUint32(footerAt + 4, true) + 1) * 4;
    return at + indexBytes === footerAt ? plainBytes : undefined;
  } catch (error) {
    // DataView's own check of its bounds.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
const HEADER_BYTES = 12;
const FOOTER_BYTES = 12;
/** Section 2.1.1.2: the length of each kind of check. */
const CHECK_BYTES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];

function lzma2Size(view: DataView, start: number): { plainBytes: number; end: number } | undefined {
  let plainBytes = 0;
  for (let at = start; ; ) {
    const control = view.getUint8(at);
    if (control === 0) return { plainBytes, end: at + 1 };
    if (control >= 0x80) {
      plainBytes += ((control & 0x1f) << 16) + view.getUint16(at + 1) + 1;
      // From 0xc0 on a byte with new properties follows the lengths.
      at += (control >= 0xc0 ? 6 : 5) + view.getUint16(at + 3) + 1;
    } else if (control <= 2) {
      plainBytes += view.getUint16(at + 1) + 1;
      at += 3 + view.getUint16(at + 1) + 1;
    } else return undefined;
  }
}
