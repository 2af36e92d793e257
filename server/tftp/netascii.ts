const LF = 10;
const CR = 13;

/**
 * Text as RFC 764 sends it over a network: LF becomes CR LF, CR becomes CR NUL. Lines that end in CR LF already are left
 * as they are.
 */
export function netascii(bytes: Uint8Array): Uint8Array {
  const converted: number[] = [];
  for (const [at, byte] of bytes.entries()) {
    if (byte === LF && bytes[at - 1] !== CR) converted.push(CR);
    converted.push(byte);
    if (byte === CR && bytes[at + 1] !== LF) converted.push(0);
  }
  return Uint8Array.from(converted);
}
