import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { freshBytes, freshId, isFresh, swappedGuid, uuidText } from "../../../images/disk-fit/fresh-id.ts";

const OLD = "6f0c3c1e-8f0b-4d0a-9a55-1c2d3e4f5a6b";

test("a new UUID is a random one by its form, and the same for the same machine and restore", () => {
  const id = uuidText(freshId("12 52:54:00:00:00:07", OLD));
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(uuidText(freshId("12 52:54:00:00:00:07", OLD.toUpperCase())), id);
});

test("500 machines get 500 numbers, short ones too", () => {
  const seeds = Array.from({ length: 500 }, (_, index) => `12 ${index}`);
  for (const make of [
    (seed: string) => freshId(seed, OLD),
    (seed: string) => freshBytes(seed, "1A2B-3C4D", 4),
    (seed: string) => freshBytes(seed, "0123456789ABCDEF", 8),
  ]) {
    assert.equal(new Set(seeds.map((seed) => make(seed).toString("hex"))).size, seeds.length);
  }
});

test("what was made is known again, with its own seed alone", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.constantFrom(4, 8, 16), (seed, old, length) => {
      const id = length === 16 ? freshId(seed, old) : freshBytes(seed, old, length);
      assert.equal(id.length, length);
      assert(isFresh(seed, id));
      assert(id.some((byte) => byte !== 0));
      if (length > 4) assert(!isFresh(`${seed}x`, id));
    }),
  );
  assert(!isFresh("seed", Buffer.from(OLD.replaceAll("-", ""), "hex")));
});

test("a GUID's bytes, as the specification shows them", () => {
  const guid = Buffer.from("28732ac11ff8d211ba4b00a0c93ec93b", "hex");
  assert.equal(uuidText(swappedGuid(guid)), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
  assert.deepEqual(swappedGuid(swappedGuid(guid)), guid);
});
