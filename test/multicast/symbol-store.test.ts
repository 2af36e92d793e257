import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StreamLayout } from "../../multicast/layout.ts";
import { ParityCodec } from "../../multicast/parity.ts";
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
  const codec = new ParityCodec(layout.symbolsPerBlock, layout.symbolBytes);
  const blockBytes = layout.symbolsPerBlock * layout.symbolBytes;
  /** Adds parity symbol `number`, counted from 0. */
  const addParity = (store: SymbolStore, block: number, number: number) => {
    const content = bytes.slice(block * blockBytes, (block + 1) * blockBytes);
    return store.add(block, layout.symbolsPerBlock + number, codec.encode(content, layout.symbolsPerBlock + number));
  };
  const repair = (store: SymbolStore): boolean => {
    const repair = store.takeRepair();
    if (repair === undefined) return false;
    codec.decode(repair.bytes, repair.missing, repair.parity);
    store.onRepaired(repair.block);
    return true;
  };
  return { layout, add, addParity, repair, packBytes };
}

/** The next pack with its bytes; its memory is free. */
function take(store: SymbolStore): { pack: number; bytes: Uint8Array } | undefined {
  const ready = store.takeReady();
  if (ready === undefined) return undefined;
  const bytes = Uint8Array.from(Buffer.concat(ready.pieces));
  store.release(ready.pack);
  return { pack: ready.pack, bytes };
}

test("store: a pack is ready with its last symbol, and its memory is free when it is taken", () => {
  const { layout, add, packBytes } = streamOf([25, 5, 31], small);
  const store = new SymbolStore(layout, 1000);
  assert.equal(add(store, 0), "kept");
  assert.equal(add(store, 0), "not-needed");
  assert.equal(add(store, 2), "kept");
  assert.deepEqual(take(store), { pack: 1, bytes: packBytes(1) });
  assert.equal(store.hasReady, false);
  assert.equal(add(store, 1), "kept");
  assert.deepEqual(take(store), { pack: 0, bytes: packBytes(0) });
  assert.equal(store.heldBytes, 40, "the third pack begins in the first block");
  assert.equal(store.missingBytes, 31);
  assert.equal(add(store, 2), "not-needed");
  assert.deepEqual([...store.missing(false)], [2]);
  for (let number = 3; number < 7; number += 1) add(store, number);
  assert.deepEqual(take(store), { pack: 2, bytes: packBytes(2) });
  assert.equal(store.heldBytes, 0);
});

test("store: parity lies in the places of what is missing, and makes way for it", () => {
  const { add, addParity, repair, packBytes } = streamOf([40], small);
  const store = new SymbolStore(streamOf([40], small).layout, 1000);
  assert.equal(addParity(store, 0, 3), "kept");
  assert.equal(addParity(store, 0, 3), "not-needed");
  // It lay in the first place.
  assert.equal(add(store, 0), "kept");
  assert.equal(add(store, 1), "kept");
  assert.equal(store.lackingOf(0), 1);
  assert.equal(store.hasRepair, false);
  assert.equal(addParity(store, 0, 0), "kept");
  assert.deepEqual([store.lackingOf(0), store.hasRepair, store.hasReady], [0, true, false]);
  const pending = store.takeRepair();
  assert.deepEqual(pending?.parity.toSorted(), [4, 7]);
  assert.deepEqual(pending?.missing.toSorted(), [2, 3]);
  assert.equal(add(store, 2), "not-needed", "while it is being repaired");
  assert.equal(store.has(2), true);
  new ParityCodec(small.symbolsPerBlock, small.symbolBytes).decode(pending!.bytes, pending!.missing, pending!.parity);
  store.onRepaired(0);
  assert.equal(repair(store), false);
  assert.deepEqual(take(store), { pack: 0, bytes: packBytes(0) });
  assert.equal(store.repairedSymbols, 2);
  assert.equal(store.heldBytes, 0);
});

test("store: a taken pack keeps its memory until it is let go, and a block until it is repaired", () => {
  const { layout, add, addParity, packBytes } = streamOf([40, 40], small);
  const store = new SymbolStore(layout, 0);
  for (let number = 0; number < 4; number += 1) add(store, number);
  const ready = store.takeReady();
  assert.equal(add(store, 4), "no-room");
  assert.deepEqual(Uint8Array.from(Buffer.concat(ready!.pieces)), packBytes(0));
  store.release(0);
  store.release(0);
  assert.equal(store.heldBytes, 0);
  for (let number = 4; number < 7; number += 1) assert.equal(add(store, number), "kept");
  addParity(store, 1, 0);
  assert.equal(store.takeRepair()?.block, 1);
  assert.equal(store.takeElsewhere(1), true);
  assert.equal(store.heldBytes, 40, "somebody works on it");
  store.onRepaired(1);
  assert.equal(store.heldBytes, 0);
  assert.equal(store.hasReady, false);
});

test("store: what arrived for a pack without room is kept when room becomes free", () => {
  const { layout, add, packBytes } = streamOf([60, 60], small);
  const store = new SymbolStore(layout, 80);
  for (let number = 0; number < 8; number += 1) assert.equal(add(store, number), "kept");
  assert.equal(add(store, 8), "no-room", "the second pack does not fit beside the first");
  assert.equal(take(store)?.pack, 0);
  for (let number = 8; number < 12; number += 1) assert.equal(add(store, number), "kept");
  assert.deepEqual(take(store), { pack: 1, bytes: packBytes(1) });
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

test("store: a pack that was wrong is needed again, with all that its blocks held", () => {
  // Packs 0 and 1 share block 1; pack 1 goes on in block 2.
  const { layout, add, packBytes } = streamOf([60, 60], small);
  const store = new SymbolStore(layout, 1000);
  for (let number = 0; number < 10; number += 1) add(store, number);
  assert.equal(take(store)?.pack, 0);
  assert.deepEqual(store.reject(0), [0, 1]);
  assert.deepEqual([...store.missing(true)], [], "not by unicast yet");
  assert.deepEqual([store.lackingOf(0), store.lackingOf(1), store.lackingOf(2)], [4, 4, 2]);
  for (let number = 0; number < 12; number += 1) add(store, number);
  const packs = [take(store), take(store)].sort((left, right) => left!.pack - right!.pack);
  assert.deepEqual(
    packs.map((pack) => Buffer.from(pack!.bytes)),
    [0, 1].map((pack) => Buffer.from(packBytes(pack))),
  );
  assert.equal(store.missingBytes, 0);
});

test("store: a block that is being repaired when a pack of it was wrong is needed again at once, and as a whole", () => {
  const { layout, add, addParity, repair, packBytes } = streamOf([20, 20], small);
  const store = new SymbolStore(layout, 1000);
  for (const number of [0, 1, 2]) add(store, number);
  addParity(store, 0, 0);
  assert.equal(take(store)?.pack, 0);
  const pending = store.takeRepair();
  store.reject(0);
  assert.equal(store.lackingOf(0), 0, "its memory is in other hands");
  assert.equal(add(store, 3), "not-needed");
  assert.equal(store.onRepaired(pending!.block), true);
  assert.deepEqual([store.lackingOf(0), store.hasReady, store.repairedSymbols], [4, false, 0]);
  for (const number of [0, 1, 3]) add(store, number);
  addParity(store, 0, 1);
  assert.equal(repair(store), true);
  const packs = [take(store), take(store)].sort((left, right) => left!.pack - right!.pack);
  assert.deepEqual(
    packs.map((pack) => pack!.bytes),
    [packBytes(0), packBytes(1)],
  );
  assert.deepEqual([store.missingBytes, store.heldBytes], [0, 0]);
});

test("store: a pack that was wrong twice is wanted elsewhere only, and comes from there once", () => {
  const { layout, add } = streamOf([10, 10], small);
  const store = new SymbolStore(layout, 1000);
  for (let times = 0; times < 2; times += 1) {
    add(store, 0);
    assert.equal(take(store)?.pack, 0);
    store.reject(0);
  }
  assert.deepEqual([...store.missing(true)], [0]);
  assert.deepEqual([...store.missing(false)], [0, 1]);
  assert.equal(store.missingBytes, 20);
  add(store, 0);
  assert.equal(store.takeReady(), undefined);
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
      const { layout, add, addParity, repair, packBytes } = streamOf(sizes, { symbolBytes, symbolsPerBlock });
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
          const block = Math.floor(number / layout.symbolsPerBlock);
          if (random() < 0.2) addParity(store, block, Math.floor(random() * 10));
          // Neither who repairs nor who writes is always quick.
          if (random() < 0.4) repair(store);
          if (random() < 0.7) continue;
          const ready = take(store);
          if (ready === undefined) continue;
          assert(!taken.has(ready.pack), "nothing comes twice");
          taken.add(ready.pack);
          missingBytes -= ready.bytes.length;
          assert.deepEqual(ready.bytes, packBytes(ready.pack));
        }
      }
      assert.equal(missingBytes, 0);
      assert.equal(store.missingBytes, 0);
      while (repair(store));
      assert.equal(store.heldBytes, 0);
      for (let number = 0; number < layout.symbolCount; number += 1) assert(store.has(number));
    }),
    { numRuns: 200 },
  );
});
