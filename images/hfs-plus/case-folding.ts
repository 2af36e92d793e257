/**
 * How HFS Plus folds upper case, as stretches `[first, last, step, difference]` of UTF-16 code units.
 * It was frozen with Mac OS 8.1: what Unicode added later, and what has a decomposition, stays as it is.
 * Source: Apple TN1150, "Unicode Subtleties" and its case-folding table.
 */
const stretches: readonly (readonly [number, number, number, number])[] = [
  [0x41, 0x5a, 1, 32],
  [0xc6, 0xc6, 1, 32],
  [0xd0, 0xd0, 1, 32],
  [0xd8, 0xd8, 1, 32],
  [0xde, 0xde, 1, 32],
  [0x110, 0x110, 1, 1],
  [0x126, 0x126, 1, 1],
  [0x132, 0x132, 1, 1],
  [0x13f, 0x141, 2, 1],
  [0x14a, 0x14a, 1, 1],
  [0x152, 0x152, 1, 1],
  [0x166, 0x166, 1, 1],
  [0x181, 0x181, 1, 210],
  [0x182, 0x184, 2, 1],
  [0x186, 0x186, 1, 206],
  [0x187, 0x187, 1, 1],
  [0x189, 0x18a, 1, 205],
  [0x18b, 0x18b, 1, 1],
  [0x18e, 0x18e, 1, 79],
  [0x18f, 0x18f, 1, 202],
  [0x190, 0x190, 1, 203],
  [0x191, 0x191, 1, 1],
  [0x193, 0x193, 1, 205],
  [0x194, 0x194, 1, 207],
  [0x196, 0x196, 1, 211],
  [0x197, 0x197, 1, 209],
  [0x198, 0x198, 1, 1],
  [0x19c, 0x19c, 1, 211],
  [0x19d, 0x19d, 1, 213],
  [0x19f, 0x19f, 1, 214],
  [0x1a2, 0x1a4, 2, 1],
  [0x1a7, 0x1a7, 1, 1],
  [0x1a9, 0x1a9, 1, 218],
  [0x1ac, 0x1ac, 1, 1],
  [0x1ae, 0x1ae, 1, 218],
  [0x1b1, 0x1b2, 1, 217],
  [0x1b3, 0x1b5, 2, 1],
  [0x1b7, 0x1b7, 1, 219],
  [0x1b8, 0x1b8, 1, 1],
  [0x1bc, 0x1bc, 1, 1],
  [0x1c4, 0x1c4, 1, 2],
  [0x1c5, 0x1c5, 1, 1],
  [0x1c7, 0x1c7, 1, 2],
  [0x1c8, 0x1c8, 1, 1],
  [0x1ca, 0x1ca, 1, 2],
  [0x1cb, 0x1cb, 1, 1],
  [0x1e4, 0x1e4, 1, 1],
  [0x1f1, 0x1f1, 1, 2],
  [0x1f2, 0x1f2, 1, 1],
  [0x391, 0x3a1, 1, 32],
  [0x3a3, 0x3a9, 1, 32],
  [0x3e2, 0x3ee, 2, 1],
  [0x402, 0x404, 2, 80],
  [0x405, 0x406, 1, 80],
  [0x408, 0x40b, 1, 80],
  [0x40f, 0x40f, 1, 80],
  [0x410, 0x418, 1, 32],
  [0x41a, 0x42f, 1, 32],
  [0x460, 0x474, 2, 1],
  [0x478, 0x480, 2, 1],
  [0x490, 0x4be, 2, 1],
  [0x4c3, 0x4c3, 1, 1],
  [0x4c7, 0x4c7, 1, 1],
  [0x4cb, 0x4cb, 1, 1],
  [0x531, 0x556, 1, 48],
  [0x10a0, 0x10c5, 1, 48],
  [0x2160, 0x216f, 1, 16],
  [0xff21, 0xff3a, 1, 32],
];

/** Characters that do not count when names are compared: joiners, and marks of direction. */
const ignored: readonly (readonly [number, number])[] = [
  [0x200c, 0x200f],
  [0x202a, 0x202e],
  [0x206a, 0x206f],
  [0xfeff, 0xfeff],
];

/** By code unit; 0 where it does not count. */
const folded = makeTable();

function makeTable(): Uint16Array {
  const table = Uint16Array.from({ length: 0x10000 }, (_, unit) => unit);
  for (const [first, last, step, difference] of stretches)
    for (let unit = first; unit <= last; unit += step) table[unit] = unit + difference;
  for (const [first, last] of ignored) table.fill(0, first, last + 1);
  // Behind everything: it stands only in the names of the volume's own folders.
  table[0] = 0xffff;
  return table;
}

/** A name as it is compared: two names in one folder must not be equal in it. */
export function foldCase(name: string): string {
  const units: number[] = [];
  for (let index = 0; index < name.length; index += 1) {
    const unit = folded[name.charCodeAt(index)]!;
    if (unit !== 0) units.push(unit);
  }
  return String.fromCharCode(...units);
}
