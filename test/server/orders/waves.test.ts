import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { estimateOf } from "../../../server/orders/deploy-duration.ts";
import { wavesOf } from "../../../server/orders/waves.ts";

const hosts = ["a", "b", "c", "d", "e"].map((name, index) => ({ id: `h-${name}`, name, lastSeenMs: index }));
const isNamed = (word: string, { name }: { readonly name: string }) => name === word;

/** "b | a c | d e": who goes when. */
function order(request: Parameters<typeof wavesOf>[1]): string {
  const { waveOf } = wavesOf(hosts, request, isNamed);
  const waves = [...new Set(waveOf.values())].sort((one, other) => one - other);
  const namesOf = (wave: number) => hosts.filter(({ id }) => waveOf.get(id) === wave).map(({ name }) => name);
  return waves.map((wave) => namesOf(wave).join(" ")).join(" | ");
}

for (const [about, request, expected] of [
  ["a canary that was named", { canary: ["b"] }, "b | a c d e"],
  ["two of them", { canary: ["e", "b"], batch: 2 }, "b e | a c | d"],
  ["one, whoever was heard last", { canary: 1, batch: 2 }, "e | a b | c d"],
  ["none, so many at a time", { batch: 2 }, "a b | c d | e"],
  ["more at a time than there are", { canary: 1, batch: 100 }, "e | a b c d"],
  ["no number of canaries", { canary: 0, batch: 4 }, "a b c d | e"],
] as const) {
  test(`waves: ${about}: ${expected}`, () => assert.equal(order(request), expected));
}

test("what a person is told of the waves is what they are", () => {
  assert.deepEqual(wavesOf(hosts, { canary: ["b"], batch: 3 }, isNamed).waves, {
    canary: ["b"],
    batches: 2,
    batch: 3,
    mostFailed: 1,
  });
  const many = Array.from({ length: 40 }, (_, index) => ({ id: `${index}`, name: `${index}`, lastSeenMs: 0 }));
  assert.equal(wavesOf(many, { batch: 10 }, isNamed).waves.mostFailed, 4);
  assert.equal(wavesOf(many, { batch: 10, mostFailed: 0 }, isNamed).waves.mostFailed, 0);
});

test("waves without anybody first and without a batch, or with nobody after, are refused", () => {
  for (const request of [{}, { canary: 0 }, { canary: 5 }, { canary: ["a", "b", "c", "d", "e"] }, { canary: ["z"] }]) {
    assert.throws(() => wavesOf(hosts, request, isNamed), { code: "DEPLOY_INVALID" }, JSON.stringify(request));
  }
});

test("every host has one turn, and no wave is larger than was said", () => {
  const some = fc.integer({ min: 2, max: 60 });
  fc.assert(
    fc.property(some, fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 70 }), (count, canary, batch) => {
      fc.pre(canary < count);
      const room = Array.from({ length: count }, (_, index) => ({
        id: `${index}`,
        name: `${index}`,
        lastSeenMs: index % 7,
      }));
      const { waves, waveOf } = wavesOf(room, { canary, batch }, isNamed);
      assert.equal(waveOf.size, count);
      const sizes = Map.groupBy(waveOf.values(), (wave) => wave);
      assert.equal(sizes.get(0)?.length ?? 0, canary);
      sizes.delete(0);
      assert.equal(sizes.size, waves.batches);
      for (const { length } of sizes.values()) assert(length <= batch);
    }),
    { numRuns: 200 },
  );
});

test("how long: by the bytes, by what was, and wave after wave", () => {
  const image = { storedBytes: 1.2e9, diskBytes: 500e9, rateBytesPerSecond: 12e6 };
  const about = { ...image, isReadBack: true, waves: 1, pastMs: [] };
  // 100 s to send, 16 s to read back, and the starts.
  assert.deepEqual(estimateOf(about), { seconds: 206, basis: "rate", hosts: 0 });
  assert.equal(estimateOf({ ...about, isReadBack: false }).seconds, 190);
  assert.equal(estimateOf({ ...about, waves: 3 }).seconds, 618);
  const past = estimateOf({ ...about, waves: 2, pastMs: [900_000, 100_000, 110_000] });
  assert.deepEqual(past, { seconds: 220, basis: "past", hosts: 3 }, "the middle one, whatever one bad disk took");
});
