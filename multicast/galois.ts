/**
 * The field GF(256) that parity is computed in: bytes, added by XOR and
 * multiplied modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d, as RFC 5510 has it).
 */
const POLYNOMIAL = 0x11d;

const exponentials = new Uint8Array(510);
const logarithms = new Uint8Array(256);
for (let power = 0, value = 1; power < 255; power += 1) {
  exponentials[power] = value;
  exponentials[power + 255] = value;
  logarithms[value] = power;
  value <<= 1;
  if (value > 255) value ^= POLYNOMIAL;
}

export function multiply(left: number, right: number): number {
  return left === 0 || right === 0 ? 0 : exponentials[logarithms[left]! + logarithms[right]!]!;
}

/** The multiplicative inverse of a byte that is not 0. */
export function inverse(value: number): number {
  return exponentials[255 - logarithms[value]!]!;
}

/**
 * The inverse of a square matrix over the field, row by row, by Gauss-Jordan.
 * The caller's matrix has one: any square part of a Cauchy matrix does.
 */
export function invertMatrix(matrix: readonly Uint8Array[]): Uint8Array[] {
  const size = matrix.length;
  const rows = matrix.map((row, at) => {
    const wide = new Uint8Array(2 * size);
    wide.set(row);
    wide[size + at] = 1;
    return wide;
  });
  for (let column = 0; column < size; column += 1) {
    const pivot = rows.findIndex((row, at) => at >= column && row[column] !== 0);
    [rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!];
    const own = rows[column]!;
    const scale = inverse(own[column]!);
    for (let at = column; at < 2 * size; at += 1) own[at] = multiply(own[at]!, scale);
    for (const [at, row] of rows.entries()) {
      const factor = row[column]!;
      if (at === column || factor === 0) continue;
      for (let place = column; place < 2 * size; place += 1) row[place]! ^= multiply(own[place]!, factor);
    }
  }
  return rows.map((row) => row.subarray(size));
}
