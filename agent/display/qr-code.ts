/** Version 2 with error correction L (ISO/IEC 18004, tables 1, 7 and 9): 25 × 25 modules, one block. */
const SIZE = 25;
const DATA_BYTES = 34;
const REPAIR_BYTES = 10;
const ALIGNMENT = 18;
/** Format information of correction L with mask 0 (annex C.2), bit 14 first. */
const FORMAT = 0b111011111000100;
/** Mode "byte", then the length; what is left of the data is filled with these in turn. */
const PADDING = [0xec, 0x11] as const;

/** So much text fits. */
export const MOST_QR_BYTES = DATA_BYTES - 2;

/**
 * A QR code of version 2.
 *
 * @param text printable ASCII; cut after `MOST_QR_BYTES`
 * @returns rows of modules, true is dark
 */
export function qrModules(text: string): boolean[][] {
  const bits = [...codewords(text)].flatMap((byte) => Array.from({ length: 8 }, (_, bit) => (byte >> (7 - bit)) & 1));
  const modules: (boolean | undefined)[][] = Array.from({ length: SIZE }, () => Array<boolean | undefined>(SIZE));
  drawFunctions(modules);
  let next = 0;
  for (const [row, column] of dataPlaces()) {
    if (modules[row]![column] !== undefined) continue;
    // Seven bits stay over: they are zero.
    const bit = (bits[next] ?? 0) === 1;
    next += 1;
    // Mask 0.
    modules[row]![column] = bit !== ((row + column) % 2 === 0);
  }
  return modules.map((row) => row.map((module) => module === true));
}

/**
 * The code for a console with light signs on dark ground: two modules above each other are one character, and a bright
 * margin stands around it.
 */
export function qrLines(text: string): string[] {
  const modules = qrModules(text);
  const isBright = (row: number, column: number) => modules[row]?.[column] !== true;
  const lines: string[] = [];
  for (let row = -1; row <= SIZE; row += 2) {
    let line = "";
    for (let column = -1; column <= SIZE; column += 1) {
      const [upper, lower] = [isBright(row, column), isBright(row + 1, column) && row + 1 <= SIZE];
      line += upper ? (lower ? "█" : "▀") : lower ? "▄" : " ";
    }
    lines.push(line);
  }
  return lines;
}

function codewords(text: string): Uint8Array {
  const bytes = Buffer.from(text, "latin1").subarray(0, MOST_QR_BYTES);
  // Four bits of mode come first, so that all bytes lie across two.
  const data = new Uint8Array(DATA_BYTES);
  const plain = [0x4, bytes.length >> 4, bytes.length & 15, ...[...bytes].flatMap((byte) => [byte >> 4, byte & 15])];
  for (const [index, half] of plain.entries()) data[index >> 1]! |= index % 2 === 0 ? half << 4 : half;
  for (let at = (plain.length + 2) >> 1, turn = 0; at < DATA_BYTES; at += 1, turn ^= 1) data[at] = PADDING[turn]!;
  return Uint8Array.from([...data, ...repair(data)]);
}

/** Reed-Solomon over GF(256) with x^8 + x^4 + x^3 + x^2 + 1. */
function repair(data: Uint8Array): number[] {
  let generator = [1];
  for (let power = 0, root = 1; power < REPAIR_BYTES; power += 1, root = times(root, 2)) {
    generator = [...generator, 0].map((value, index) => value ^ times(generator[index - 1] ?? 0, root));
  }
  const rest = [...data, ...Array<number>(REPAIR_BYTES).fill(0)];
  for (let at = 0; at < data.length; at += 1) {
    const factor = rest[at]!;
    for (const [index, value] of generator.entries()) rest[at + index]! ^= times(value, factor);
  }
  return rest.slice(data.length);
}

function times(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    if ((b >> bit) & 1) product ^= a;
  }
  return product;
}

/** Everything that is not data: finders, timing, alignment, format. */
function drawFunctions(modules: (boolean | undefined)[][]): void {
  for (const [top, left] of [
    [0, 0],
    [0, SIZE - 7],
    [SIZE - 7, 0],
  ] as const) {
    for (let row = -1; row <= 7; row += 1) {
      for (let column = -1; column <= 7; column += 1) {
        const ring = Math.max(Math.abs(row - 3), Math.abs(column - 3));
        const line = modules[top + row];
        if (line !== undefined && left + column >= 0 && left + column < SIZE) {
          line[left + column] = ring !== 2 && ring !== 4;
        }
      }
    }
  }
  for (let at = 8; at < SIZE - 8; at += 1) {
    modules[6]![at] = at % 2 === 0;
    modules[at]![6] = at % 2 === 0;
  }
  for (let row = -2; row <= 2; row += 1) {
    for (let column = -2; column <= 2; column += 1) {
      modules[ALIGNMENT + row]![ALIGNMENT + column] = Math.max(Math.abs(row), Math.abs(column)) !== 1;
    }
  }
  const bit = (index: number) => ((FORMAT >> index) & 1) === 1;
  for (let index = 0; index < 15; index += 1) {
    // Around the upper left finder, past the timing lines; and once more beside the two others.
    const row = index < 6 ? index : index < 8 ? index + 1 : SIZE - 15 + index;
    modules[row]![8] = bit(index);
    const column = index < 8 ? SIZE - 1 - index : index < 9 ? 15 - index : 14 - index;
    modules[8]![column] = bit(index);
  }
  modules[SIZE - 8]![8] = true;
}

/** Two columns at a time from the right, up and down in turn; the column of the timing line is left out. */
function* dataPlaces(): Generator<readonly [row: number, column: number]> {
  let isUpwards = true;
  for (let right = SIZE - 1; right > 0; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < SIZE; step += 1) {
      const row = isUpwards ? SIZE - 1 - step : step;
      yield [row, right];
      yield [row, right - 1];
    }
    isUpwards = !isUpwards;
  }
}
