import { expect } from "../free-space/volume.ts";

const DAMAGED = "a compressed file is damaged";
const END = 0x06;
const nothing = [0x0e, 0x16];

/**
 * Decodes LZVN, in which macOS keeps small files since 10.9. Each instruction copies bytes that follow it, and then bytes
 * that came so many bytes before. Little-endian.
 * Source: lzfse (BSD), src/lzvn_decode_base.c.
 *
 * @param mostBytes no more comes out
 * @throws {Implausible}
 */
export function decodeLzvn(bytes: Buffer, mostBytes: number): Buffer {
  let output = Buffer.alloc(Math.min(mostBytes, Math.max(64, bytes.length * 4)));
  let length = 0;
  let distance = 0;
  for (let at = 0; at < bytes.length; ) {
    const code = bytes[at]!;
    if (code === END) return output.subarray(0, length);
    if (nothing.includes(code)) {
      at += 1;
      continue;
    }
    const step = instruction(bytes, at, code);
    distance = step.distance ?? distance;
    at += step.codeBytes;
    const needed = length + step.literals + step.matches;
    expect(at + step.literals <= bytes.length && needed <= mostBytes, DAMAGED);
    if (needed > output.length) output = Buffer.concat([output], Math.min(mostBytes, needed * 2));
    bytes.copy(output, length, at, at + step.literals);
    at += step.literals;
    length += step.literals;
    expect(step.matches === 0 || (distance > 0 && distance <= length), DAMAGED);
    // Byte by byte: what is copied may be what was just copied.
    for (const end = length + step.matches; length < end; length += 1) output[length] = output[length - distance]!;
  }
  expect(false, DAMAGED);
}

type Instruction = {
  readonly codeBytes: number;
  readonly literals: number;
  readonly matches: number;
  /** Absent: as before. */
  readonly distance?: number;
};

function instruction(bytes: Buffer, at: number, code: number): Instruction {
  const more = (index: number): number => {
    const value = bytes[at + index];
    expect(value !== undefined, DAMAGED);
    return value;
  };
  const high = code >> 4;
  if (code === 0xf0) return { codeBytes: 2, literals: 0, matches: more(1) + 16 };
  if (high === 0xf) return { codeBytes: 1, literals: 0, matches: code & 0xf };
  if (code === 0xe0) return { codeBytes: 2, literals: more(1) + 16, matches: 0 };
  if (high === 0xe) return { codeBytes: 1, literals: code & 0xf, matches: 0 };
  if (high === 0xa || high === 0xb) {
    const word = more(1) | (more(2) << 8);
    const matches = (((code & 7) << 2) | (word & 3)) + 3;
    return { codeBytes: 3, literals: (code >> 3) & 3, matches, distance: word >> 2 };
  }
  expect(high !== 0x7 && high !== 0xd, DAMAGED);
  const [literals, matches] = [code >> 6, ((code >> 3) & 7) + 3];
  if ((code & 7) === 7) return { codeBytes: 3, literals, matches, distance: more(1) | (more(2) << 8) };
  if ((code & 7) === 6) {
    expect(literals > 0, DAMAGED);
    return { codeBytes: 1, literals, matches };
  }
  return { codeBytes: 2, literals, matches, distance: ((code & 7) << 8) | more(1) };
}
