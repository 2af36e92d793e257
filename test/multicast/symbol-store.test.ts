import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StreamLayout } from "../../multicast/layout.ts";
import { SymbolStore } from "../../multicast/symbol-store.ts";
import { descriptionOf, randomOf } from "./streams.ts";

const small = { symbolBytes: 10, symbolsPerBlock: 4 };

function streamOf(sizes: readonly number[], shape: { symbolBytes: number; symbolsPerBlock: number }) {
  const layout = new StreamLayout(
    descriptionOf(sizes, shape),
    sizes.map((storedBytes) => ({ storedBytes })),
  );
  const bytes = Uint8Array.from({ length: layout.symbolCount * layout.symbolBytes }, (_, at) =>
    at < layout.streamBytes ? (at * 7 + (at >> 8)) & 0xff : 0,
  );
  const symbol = (number: number) => bytes.subarray(number * layout.symbolBytes, (number + 1) * layout.symbolBytes);
  const add = (store: SymbolStore, number: number) =>
    store.add(Math.floor(number / layout.symbolsPerBlock), number % layout.symbolsPerBlock, symbol(number));
  const packBytes = (pack: number) =>
    bytes.slice(layout.packStart(pack), layout.packStart(pack) + layout.packBytes(pack));
  return { layout, add, packBytes };
}

test("store: a pack is ready with its last symbol, and its memory is free when it is taken", () => {
  const { layout, add, packBytes } = streamOf([25, 5, 31], small);
  const store = new SymbolStore(layout, 1000);
  assert.equal(add(store, 0), "kept");
  assert.equal(add(store, 0), "not-needed");
  assert.equal(add(store, 2), "kept");
  assert.deepEqual(store.takeReady(), { pack: 1, bytes: packBytes(1) });
  assert.equal(store.hasReady, false);
  assert.equal(add(store, 1), "kept");
  assert.deepEqual(store.takeReady(), { pack: 0, bytes: packBytes(0) });
  assert.equal(store.heldBytes, 40, "the third pack begins in the first block");
  assert.equal(store.missingBytes, 31);
  assert.equal(add(store, 2), "not-needed");
  assert.deepEqual([...store.missing(false)], [2]);
  for (let number = 3; number < 7; number += 1) add(store, number);
  assert.deepEqual(store.takeReady(), { pack: 2, bytes: packBytes(2) });
  assert.equal(store.heldBytes, 0);
});

test("store: symbols that cannot be are refused", () => {
  const { layout } = streamOf([25, 5, 31], small);
  const store = new SymbolStore(layout, 1000);
  assert.equal(store.add(2, 0, new Uint8Array(10)), "out-of-range");
  assert.equal(store.add(1, 3, new Uint8Array(10)), "out-of-range");
  assert.equal(store.add(0, 256, new Uint8Array(10)), "out-of-range");
  assert.equal(store.add(0xffffffff, 255, new Uint8Array(10)), "out-of-range");
  assert.equal(store.heldBytes, 0);
});

test("store: a wrong pack is wanted elsewhere only, and comes from there once", () => {
  const { layout, add } = streamOf([10, 10], small);
  const store = new SymbolStore(layout, 1000);
  add(store, 0);
  assert.equal(store.takeReady()?.pack, 0);
  store.reject(0);
  assert.deepEqual([...store.missing(true)], [0]);
  assert.deepEqual([...store.missing(false)], [0, 1]);
  assert.equal(store.missingBytes, 20);
  assert.equal(add(store, 0), "not-needed");
  assert.equal(store.takeElsewhere(0), true);
  assert.equal(store.takeElsewhere(0), false);
  assert.equal(store.missingBytes, 10);
});

test("store: a pack that came elsewhere frees what was held of it", () => {
  const { layout, add } = streamOf([80, 80], small);
  const store = new SymbolStore(layout, 1000);
  for (let number = 0; number < 7; number += 1) add(store, number);
  assert(store.heldBytes > 0);
  assert.equal(store.takeElsewhere(0), true);
  assert.equal(store.heldBytes, 0);
  // Also one that is complete and not taken yet.
  for (let number = 8; number < 16; number += 1) add(store, number);
  assert.equal(store.takeElsewhere(1), true);
  assert.equal(store.takeReady(), undefined);
  assert.equal(store.heldBytes, 0);
  assert.equal(store.missingBytes, 0);
});

test("store: with too little memory, loss and any order everything still gets through", () => {
  const cases = fc.record({
    sizes: fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 }),
    symbolBytes: fc.integer({ min: 1, max: 16 }),
    symbolsPerBlock: fc.integer({ min: 1, max: 6 }),
    memoryBytes: fc.integer({ min: 0, max: 400 }),
    loss: fc.constantFrom(0, 0.05, 0.5),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(cases, ({ sizes, symbolBytes, symbolsPerBlock, memoryBytes, loss, seed }) => {
      const { layout, add, packBytes } = streamOf(sizes, { symbolBytes, symbolsPerBlock });
      const store = new SymbolStore(layout, memoryBytes);
      const random = randomOf(seed);
      const taken = new Set<number>();
      let missingBytes = layout.streamBytes;
      for (let pass = 0; taken.size < sizes.length; pass += 1) {
        assert(pass < 5_000, "it ends");
        for (let number = 0; number < layout.symbolCount; number += 1) {
          if (random() < loss) continue;
          add(store, number);
          assert(store.heldBytes <= store.limitBytes, "memory is bounded");
          // A writer that is not always quick.
          if (random() < 0.7) continue;
          const ready = store.takeReady();
          if (ready === undefined) continue;
          assert(!taken.has(ready.pack), "nothing comes twice");
          taken.add(ready.pack);
          missingBytes -= ready.bytes.length;
          assert.deepEqual(ready.bytes, packBytes(ready.pack));
        }
      }
      assert.equal(missingBytes, 0);
      assert.equal(store.missingBytes, 0);
      assert.equal(store.heldBytes, 0);
      for (let number = 0; number < layout.symbolCount; number += 1) assert(store.has(number));
    }),
    { numRuns: 200 },
  );
});
