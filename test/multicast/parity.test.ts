import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { inverse, invertMatrix, multiply } from "../../multicast/galois.ts";
import { ParityCodec } from "../../multicast/parity.ts";
import { plainKernel, simdKernel } from "../../multicast/row-kernel.ts";
import { randomOf } from "./streams.ts";

describe("the field", () => {
  test("x^8 is 0x1d, as the polynomial 0x11d says", () => {
    assert.equal(multiply(0x80, 2), 0x1d);
    assert.equal(multiply(0x53, 0x02), 0xa6);
    assert.equal(multiply(0xff, 0xff), multiplySlowly(0xff, 0xff));
  });

  test("multiplication is what long multiplication says, and every byte but 0 has an inverse", () => {
    for (let left = 0; left < 256; left += 1) {
      for (let right = 0; right < 256; right += 1) assert.equal(multiply(left, right), multiplySlowly(left, right));
      if (left !== 0) assert.equal(multiply(left, inverse(left)), 1);
    }
  });

  test("a matrix times its inverse is the identity", () => {
    const matrix = [128, 200, 255, 130].map((row) =>
      Uint8Array.of(0, 5, 64, 127).map((column) => inverse(row ^ column)),
    );
    const back = invertMatrix(matrix);
    for (const [row, values] of matrix.entries()) {
      for (let column = 0; column < 4; column += 1) {
        const sum = values.reduce((total, value, at) => total ^ multiply(value, back[at]![column]!), 0);
        assert.equal(sum, row === column ? 1 : 0);
      }
    }
  });
});

describe("parity symbols", () => {
  test("golden: three symbols of four bytes", () => {
    const codec = new ParityCodec(3, 4);
    const block = Uint8Array.of(1, 2, 3, 4, 16, 32, 48, 64, 255, 128, 7, 0);
    // By hand: byte 0 of symbol 3 is 1/(3^0) * 1 + 1/(3^1) * 16 + 1/(3^2) * 255.
    const expected = [0, 1, 2, 3].map((at) =>
      [0, 1, 2].reduce((sum, source) => sum ^ multiplySlowly(slowInverse(3 ^ source), block[source * 4 + at]!), 0),
    );
    assert.deepEqual([...codec.encode(block, 3)], expected);
    // Computed by another program from the definition, and kept: the wire format depends on it.
    assert.equal(Buffer.from(codec.encode(block, 255)).toString("hex"), "acfe1525");
  });

  test("SIMD and plain code give the same bytes", () => {
    assert(simdKernel(16) !== undefined, "Node 24 has WebAssembly SIMD");
    const random = randomOf(5);
    const block = Uint8Array.from({ length: 128 * 1452 }, () => random() * 256);
    const [simd, plain] = [simdKernel, plainKernel].map((make) => new ParityCodec(128, 1452, (size) => make(size)!));
    for (const number of [128, 129, 200, 255]) {
      assert.deepEqual(simd!.encode(block, number), plain!.encode(block, number));
    }
  });

  test("any loss that parity makes up for is repaired, with any sizes and any parity symbols", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 70 }), fc.integer(), (k, size, seed) => {
        const random = randomOf(seed);
        const codec = new ParityCodec(k, size);
        const block = Uint8Array.from({ length: k * size }, () => random() * 256);
        const sources = shuffled(k, 0, random);
        const parities = shuffled(256 - k, k, random);
        const count = 1 + Math.floor(random() * Math.min(k, 256 - k, 20));
        const parity = parities.slice(0, count);
        const damaged = block.slice();
        for (const [at, number] of parity.entries()) damaged.set(codec.encode(block, number), sources[at]! * size);
        codec.decode(damaged, sources.slice(0, count), parity);
        assert.deepEqual(damaged, block);
      }),
      { numRuns: 60 },
    );
  });

  test("a block that is shorter than its symbols counts as filled up with zeros", () => {
    const codec = new ParityCodec(8, 32);
    const short = Uint8Array.from({ length: 5 * 32 }, (_, at) => at);
    const whole = new Uint8Array(8 * 32);
    whole.set(short);
    assert.deepEqual(codec.encode(short, 9), codec.encode(whole, 9));
    const damaged = short.slice();
    damaged.set(codec.encode(short, 9), 32);
    codec.decode(damaged, [1], [9]);
    assert.deepEqual(damaged, short);
  });
});

function shuffled(count: number, from: number, random: () => number): number[] {
  const numbers = Array.from({ length: count }, (_, at) => from + at);
  for (let at = count - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [numbers[at], numbers[other]] = [numbers[other]!, numbers[at]!];
  }
  return numbers;
}

function multiplySlowly(left: number, right: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit += 1) if ((right >> bit) & 1) product ^= left << bit;
  for (let bit = 15; bit >= 8; bit -= 1) if ((product >> bit) & 1) product ^= 0x11d << (bit - 8);
  return product;
}

function slowInverse(value: number): number {
  for (let other = 1; other < 256; other += 1) if (multiplySlowly(value, other) === 1) return other;
  return 0;
}
