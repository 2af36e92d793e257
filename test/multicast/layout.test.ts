import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../fault.ts";
import { StreamLayout } from "../../multicast/layout.ts";
import { descriptionOf } from "./streams.ts";

test("layout: packs end to end, cut into symbols and blocks", () => {
  // 25 + 5 + 31 bytes in symbols of 10, blocks of 4: 7 symbols, the last one with 9 bytes of zeros.
  const sizes = [25, 5, 31];
  const layout = new StreamLayout(descriptionOf(sizes, { symbolBytes: 10, symbolsPerBlock: 4 }), packs(sizes));
  assert.equal(layout.symbolCount, 7);
  assert.equal(layout.blockCount, 2);
  assert.deepEqual(
    [0, 1].map((block) => layout.symbolsOfBlock(block)),
    [4, 3],
  );
  assert.deepEqual(
    [0, 1, 2].map((pack) => layout.symbolsOfPack(pack)),
    [
      { first: 0, last: 2 },
      { first: 2, last: 2 },
      { first: 3, last: 6 },
    ],
  );
  assert.deepEqual(layout.packsOfSymbol(2), { first: 0, last: 1 });
  assert.deepEqual(layout.packsOfSymbol(6), { first: 2, last: 2 });
});

test("layout: only the described packs are in the stream", () => {
  const description = {
    ...descriptionOf([], {}),
    packs: [
      [1, 1],
      [3, 2],
    ] as const,
    streamBytes: 20 + 40 + 50,
  };
  const layout = new StreamLayout(description, packs([10, 20, 30, 40, 50]));
  assert.deepEqual(layout.packNumbers, [1, 3, 4]);
  assert.deepEqual(
    [0, 1, 2].map((pack) => layout.packStart(pack)),
    [0, 20, 60],
  );
});

test("layout: an image of zeros has a stream of nothing", () => {
  const layout = new StreamLayout(descriptionOf([], {}), []);
  assert.deepEqual([layout.symbolCount, layout.blockCount, layout.packCount], [0, 0, 0]);
});

test("layout: a pack and a symbol know each other", () => {
  const cases = fc.record({
    sizes: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 30 }),
    symbolBytes: fc.integer({ min: 1, max: 64 }),
    symbolsPerBlock: fc.integer({ min: 1, max: 9 }),
  });
  fc.assert(
    fc.property(cases, ({ sizes, symbolBytes, symbolsPerBlock }) => {
      const layout = new StreamLayout(descriptionOf(sizes, { symbolBytes, symbolsPerBlock }), packs(sizes));
      for (let symbol = 0; symbol < layout.symbolCount; symbol += 1) {
        const { first, last } = layout.packsOfSymbol(symbol);
        for (let pack = 0; pack < layout.packCount; pack += 1) {
          const span = layout.symbolsOfPack(pack);
          assert.equal(pack >= first && pack <= last, symbol >= span.first && symbol <= span.last);
        }
      }
      let symbols = 0;
      for (let block = 0; block < layout.blockCount; block += 1) symbols += layout.symbolsOfBlock(block);
      assert.equal(symbols, layout.symbolCount);
    }),
  );
});

test("layout: a description that cannot be true is refused", () => {
  const good = descriptionOf([100, 100], {});
  const wrong = [
    { ...good, symbolBytes: 0 },
    { ...good, symbolBytes: 8953 },
    { ...good, symbolBytes: 1.5 },
    { ...good, symbolsPerBlock: 0 },
    { ...good, symbolsPerBlock: 201 },
    { ...good, packs: [[0, 3]] as const },
    {
      ...good,
      packs: [
        [1, 1],
        [0, 1],
      ] as const,
    },
    {
      ...good,
      packs: [
        [0, 1],
        [0, 1],
      ] as const,
    },
    { ...good, packs: [[0, 0]] as const },
    { ...good, packs: [[2, 1]] as const },
    { ...good, packs: [[-1, 1]] as const },
    { ...good, packs: [[0, 2 ** 53]] as const },
    { ...good, packs: [[Number.NaN, 1]] as const },
    { ...good, streamBytes: 199 },
  ];
  for (const description of wrong) {
    assert.throws(
      () => new StreamLayout(description, packs([100, 100])),
      (error) => error instanceof Fault && error.code === "STREAM_DESCRIPTION_WRONG",
      JSON.stringify(description),
    );
  }
});

function packs(sizes: readonly number[]): { storedBytes: number }[] {
  return sizes.map((storedBytes) => ({ storedBytes }));
}
