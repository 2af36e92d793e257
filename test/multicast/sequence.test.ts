import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SequenceWindow } from "../../multicast/sequence.ts";

function noted(numbers: readonly number[]): { words: string[]; received: number; lost: number } {
  const window = new SequenceWindow();
  const words = numbers.map((number) => window.note(number >>> 0));
  return { words, received: window.received, lost: window.lost };
}

test("sequence: a gap is lost until it arrives late", () => {
  assert.deepEqual(noted([5, 6, 9]), { words: ["newest", "newest", "newest"], received: 3, lost: 2 });
  assert.deepEqual(noted([5, 6, 9, 7, 7, 8]).lost, 0);
  assert.deepEqual(noted([5, 6, 9, 7, 7]).words.slice(3), ["late", "duplicate"]);
});

test("sequence: what was sent before the first one seen was never lost", () => {
  assert.deepEqual(noted([5, 4, 3, 8]), { words: ["newest", "late", "late", "newest"], received: 4, lost: 2 });
});

test("sequence: it wraps", () => {
  assert.deepEqual(noted([-2, -1, 0, 2]), { words: ["newest", "newest", "newest", "newest"], received: 4, lost: 1 });
});

test("sequence: one forged number changes nothing, a real jump is believed", () => {
  assert.deepEqual(noted([1, 2, 2 ** 31, 3, 4]), {
    words: ["newest", "newest", "strange", "newest", "newest"],
    received: 4,
    lost: 0,
  });
  assert.deepEqual(noted([1, 2, 2 ** 31, 2 ** 31 + 1]).words.at(-1), "newest");
});

test("sequence: what was lost in a row counts when the stream goes on behind it; no single number makes such a hole", () => {
  assert.deepEqual(noted([1, 2, 100_000, 3, 4]).lost, 0);
  assert.deepEqual(noted([1, 2, 100_000, 100_001]), {
    words: ["newest", "newest", "strange", "newest"],
    received: 4,
    lost: 99_997,
  });
});

test("sequence: a sender was started again when many numbers go on from there, not when two were forged", () => {
  const window = new SequenceWindow();
  const go = (from: number, count: number) => {
    for (let number = from; number < from + count; number += 1) window.note(number >>> 0);
  };
  go(1_000, 200);
  for (let time = 0; time < 20; time += 1) {
    go(0x8000_0000 + time * 0x100_0000, 2);
    go(1_200 + time * 100, 100);
  }
  assert.equal(window.restarts, 0);
  go(0x4000_0000, 200);
  assert.equal(window.restarts, 1);
});

test("sequence: counts what any lossy, duplicating, reordering network left", () => {
  const networks = fc.record({
    start: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    fates: fc.array(fc.record({ copies: fc.integer({ min: 0, max: 2 }), delay: fc.integer({ min: 0, max: 40 }) }), {
      minLength: 1,
      maxLength: 300,
    }),
  });
  fc.assert(
    fc.property(networks, ({ start, fates }) => {
      const arrivals = fates.flatMap(({ copies, delay }, at) =>
        Array.from({ length: copies }, (_, copy) => ({ at, when: at + delay + copy * 3 })),
      );
      arrivals.sort((a, b) => a.when - b.when);
      const { received, lost } = noted(arrivals.map(({ at }) => start + at));
      const seen = new Set(arrivals.map(({ at }) => at));
      const [first] = arrivals;
      let gaps = 0;
      if (first !== undefined) for (let at = first.at; at < Math.max(...seen); at += 1) if (!seen.has(at)) gaps += 1;
      assert.deepEqual({ received, lost }, { received: seen.size, lost: gaps });
    }),
  );
});
