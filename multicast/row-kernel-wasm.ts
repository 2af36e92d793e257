/** WebAssembly's binary codes, as far as this module needs them (core specification 2.0, chapter 5). */
const type = { i32: 0x7f, v128: 0x7b, function: 0x60 } as const;
const op = {
  loop: [0x03, 0x40],
  end: [0x0b],
  repeatIf: [0x0d, 0x00],
  get: (local: number) => [0x20, local],
  set: (local: number) => [0x21, local],
  tee: (local: number) => [0x22, local],
  constant: (value: number) => [0x41, value],
  isBelow: [0x49],
  add: [0x6a],
  load: (offset: number) => [0xfd, 0x00, 0, offset],
  store: [0xfd, 0x0b, 0, 0],
  sixteenTimes: (byte: number) => [0xfd, 0x0c, ...new Array<number>(16).fill(byte)],
  swizzle: [0xfd, 0x0e],
  and: [0xfd, 0x4e],
  xor: [0xfd, 0x51],
  shiftRight: [0xfd, 0x6d],
} as const;

const target = 0;
const source = 1;
/** The length comes in; the target's end is kept in its place. */
const end = 2;
const table = 3;
const low = 4;
const high = 5;
const bytes = 6;

/**
 * f(target, source, length, table): sixteen bytes at a time, target ^= factor × source.
 *
 * A byte is two digits of four bits. `table` has the factor's products with each low digit (16 bytes) and with each
 * high digit (16 bytes); a swizzle looks up sixteen of them at once. The memory is imported as "e" "m".
 */
const body = [
  ...[1, 3, type.v128],
  ...[op.get(table), op.load(0), op.set(low), op.get(table), op.load(16), op.set(high)].flat(),
  ...[op.get(target), op.get(end), op.add, op.set(end)].flat(),
  ...op.loop,
  ...[op.get(target), op.get(target), op.load(0)].flat(),
  ...[op.get(low), op.get(source), op.load(0), op.tee(bytes), op.sixteenTimes(15), op.and, op.swizzle, op.xor].flat(),
  ...[op.get(high), op.get(bytes), op.constant(4), op.shiftRight, op.swizzle, op.xor, op.store].flat(),
  ...[op.get(source), op.constant(16), op.add, op.set(source)].flat(),
  ...[op.get(target), op.constant(16), op.add, op.tee(target), op.get(end), op.isBelow, op.repeatIf].flat(),
  ...[op.end, op.end].flat(),
];

/** The module's bytes. */
export function simdModule(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, type.function, 4, type.i32, type.i32, type.i32, type.i32, 0]),
    ...section(2, [1, ...name("e"), ...name("m"), 0x02, 0x00, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name("f"), 0x00, 0]),
    ...section(10, [1, ...sized(body)]),
  ]);
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...sized(content)];
}

// LEB128: lengths here are below 2^14.
function sized(content: readonly number[]): number[] {
  const { length } = content;
  return length < 128 ? [length, ...content] : [(length & 127) | 128, length >> 7, ...content];
}

function name(text: string): number[] {
  return sized([...text].map((letter) => letter.charCodeAt(0)));
}
