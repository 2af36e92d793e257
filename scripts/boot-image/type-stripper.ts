/** Nothing else in Node is as long: the largest WebAssembly besides has 100 kB. */
const LEAST_BYTES = 1024 * 1024;

/**
 * Node carries a compiler that removes types from TypeScript (amaro), as one base64 text of WebAssembly of 3 MB. The agent
 * is JavaScript, so that text is filled with zeros: it is loaded when a TypeScript file is started, and never else.
 *
 * @param program the bytes of a node program; changed in place
 * @returns how many bytes were cleared; 0 when the program has no such text in itself
 */
export function clearTypeStripper(program: Buffer): number {
  let cleared = 0;
  for (let at = 0; at < program.length; ) {
    // A run that is long enough covers a byte of this grid: the others are not looked at.
    const probe = Math.min(at + LEAST_BYTES, program.length) - 1;
    if (!isBase64(program[probe]!)) {
      at = probe + 1;
      continue;
    }
    let from = probe;
    while (from > at && isBase64(program[from - 1]!)) from -= 1;
    let end = probe + 1;
    while (end < program.length && isBase64(program[end]!)) end += 1;
    if (end - from >= LEAST_BYTES) {
      program.fill(0, from, end);
      cleared += end - from;
    }
    at = end;
  }
  return cleared;
}

/** RFC 4648, section 4, with its padding. */
function isBase64(byte: number): boolean {
  return (
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2b ||
    byte === 0x2f ||
    byte === 0x3d
  );
}
